/** Reads what tools print of an object's metadata: whichever of the usual forms it is, and whatever they did to the values. */
import { ENVELOPE_METADATA_NAME } from '../envelope/index.ts'
import { decodeName } from '../storage/wire/encoded-name.ts'
import { RecoveryError } from './recovery-error.ts'
import type { Attributes } from './sealed-object.ts'

export interface MetadataDocument {
  readonly envelope: string
  /** Readings, the likeliest first: an envelope's hash tells which one is right. */
  readonly attributes: readonly Attributes[]
  /** Stored bytes, if the document says it. */
  readonly size: number | null
}

/** Far above any metadata: S3 keeps 2 KiB. */
export const MAX_DOCUMENT_BYTES = 1024 * 1024

/**
 * @param text JSON of `aws s3api head-object` or `get-object`, boto3, `rclone lsjson --metadata`, `mc stat --json`, `{headers, metadata}` or a plain
 * map of names and values; or the headers of an HTTP answer
 * @param name of the document, for messages
 * @param key picks one of several objects of a listing
 */
export function parseMetadataDocument(text: string, name: string, key?: string): MetadataDocument {
  const document = /^\s*[[{]/.test(text) ? fromJson(text, name, key) : fromHeaders(text)
  const metadata = Object.fromEntries(
    Object.entries(lowerCase(document.metadata)).map(([entry, value]) => [decodeName(entry), value]),
  )
  const envelope = metadata[ENVELOPE_METADATA_NAME]
  if (envelope === undefined)
    throw new RecoveryError(
      'not-encrypted',
      `${name}: there is no metadata entry ${ENVELOPE_METADATA_NAME} in it. Ask the store itself for it, not the gateway, which keeps the envelope to itself; and see that the tool prints user metadata.`,
    )
  const given = { headers: lowerCase(document.headers), metadata }
  return { envelope: envelope.trim(), attributes: readings(given), size: document.size }
}

interface Raw {
  readonly headers: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, string>>
  readonly size: number | null
}

/** The headers that are bound, as AWS's tools call them. */
const AWS_NAMES: Readonly<Record<string, string>> = {
  CacheControl: 'cache-control',
  ContentDisposition: 'content-disposition',
  ContentEncoding: 'content-encoding',
  ContentLanguage: 'content-language',
  ContentType: 'content-type',
  // The text as it came, where the tool also has it as a time.
  Expires: 'expires',
  ExpiresString: 'expires',
  WebsiteRedirectLocation: 'x-amz-website-redirect-location',
}
const BOUND = new Set(Object.values(AWS_NAMES))
const USER_METADATA = /^x-(?:amz|cos)-meta-/

function fromJson(text: string, name: string, key: string | undefined): Raw {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RecoveryError('envelope', `${name}: is not valid JSON.`, { cause })
  }
  const object = Array.isArray(value) ? pick(value as unknown[], name, key) : value
  if (!isRecord(object)) throw new RecoveryError('envelope', `${name}: is no JSON object.`)
  const { Metadata, headers, metadata } = object
  if (isRecord(Metadata)) {
    const size = sizeIn(object['ContentLength'] ?? object['Size'])
    if ('MimeType' in object || 'ModTime' in object) return { ...fromMap(Metadata), size }
    return { headers: texts(awsHeaders(object)), metadata: texts(Metadata), size }
  }
  if (isRecord(headers) && isRecord(metadata))
    return { headers: texts(headers), metadata: texts(metadata), size: sizeIn(object['size']) }
  if (isRecord(metadata)) return { ...fromMap(metadata), size: sizeIn(object['size']) }
  return { ...fromMap(object), size: null }
}

function pick(list: readonly unknown[], name: string, key: string | undefined): unknown {
  if (list.length === 1) return list[0]
  const found = list.filter((entry) => {
    const path = isRecord(entry) ? entry['Path'] : undefined
    return typeof path === 'string' && key !== undefined && (key === path || key.endsWith(`/${path}`))
  })
  if (found.length === 1) return found[0]
  throw new RecoveryError(
    'envelope',
    `${name}: lists ${list.length} objects, and ${found.length === 0 ? 'none' : 'more than one'} has the path of the key. Give the entry of the one object.`,
  )
}

function awsHeaders(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(AWS_NAMES)
      .filter(([name]) => object[name] !== undefined)
      .map(([name, header]) => [header, object[name]]),
  )
}

/** One map for both: names of HTTP if user metadata are named so, else plain ones. */
function fromMap(map: Readonly<Record<string, unknown>>): Raw {
  const entries = Object.entries(texts(map)).map(([name, value]) => [name.toLowerCase(), value] as const)
  const isHttp = entries.some(([name]) => USER_METADATA.test(name))
  const isUser = (name: string) => (isHttp ? USER_METADATA.test(name) : !BOUND.has(name))
  return {
    headers: Object.fromEntries(entries.filter(([name]) => BOUND.has(name))),
    metadata: Object.fromEntries(
      entries
        .filter(([name]) => isUser(name))
        .map(([name, value]) => [name.replace(USER_METADATA, ''), value]),
    ),
    size: null,
  }
}

function fromHeaders(text: string): Raw {
  const map: Record<string, string> = {}
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) map[name.toLowerCase()] = value
  }
  return { ...fromMap(map), size: sizeIn(map['content-length']) }
}

/** Of one value several readings may be right; the hash decides, so all are tried. */
function readings(given: Attributes): readonly Attributes[] {
  const changes: readonly ((attributes: Attributes) => Attributes)[] = [
    (a) => a,
    // rclone prints its own entry for the time of a file as a time, and puts the object's age in place of another.
    (a) => ({ ...a, metadata: { ...a.metadata, ...rcloneTime(a.metadata['mtime']) } }),
    (a) => ({ ...a, metadata: without(a.metadata, 'btime') }),
    (a) => ({ ...a, metadata: { ...without(a.metadata, 'btime'), ...rcloneTime(a.metadata['mtime']) } }),
  ]
  return changes.flatMap((change) => {
    const { headers, metadata } = change(given)
    const all = [
      { headers, metadata },
      { headers: asUtf8(headers), metadata: asUtf8(metadata) },
    ]
    return all.filter((reading) => [reading.headers, reading.metadata].every(isLatin1))
  })
}

/** Values are bytes in latin1; a tool that took them for UTF-8 shows other characters. */
function asUtf8(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(map).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  )
}

function isLatin1(map: Readonly<Record<string, string>>): boolean {
  return Object.values(map).every((value) => Buffer.from(value, 'latin1').toString('latin1') === value)
}

/** `2020-02-03T04:05:06.1234Z` was stored as seconds with up to nine decimals, without zeroes at the end. */
function rcloneTime(mtime: string | undefined): { mtime: string } | undefined {
  const [, whole = '', fraction = '', zone = ''] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(mtime ?? '') ?? []
  const seconds = Date.parse(`${whole}${zone}`) / 1000
  if (Number.isNaN(seconds)) return undefined
  const decimals = fraction.replace(/0+$/, '')
  return { mtime: decimals === '' ? String(seconds) : `${seconds}.${decimals}` }
}

function without(map: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => key !== name))
}

function lowerCase(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name.toLowerCase(), value]))
}

function texts(map: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(map).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function sizeIn(value: unknown): number | null {
  const size = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
