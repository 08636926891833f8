/**
 * The request target (RFC 9112 section 3.2) as a bucket, a key and a query. WHATWG URL parsing is never used: it resolves
 * `%2e%2e` and backslashes, which are plain bytes of S3 keys, and so would act on another key than the one signed.
 */
import { SealgateError } from '../errors.ts'

const MAX_TARGET_BYTES = 32 * 1024
const MAX_PARAMETERS = 128
const MAX_KEY_BYTES = 1024

export interface Target {
  /** Null for the service itself. */
  readonly bucket: string | null
  /** Null for a bucket or the service. */
  readonly key: string | null
  readonly query: Query
  /** The decoded path as it stood in the request: with the bucket in path style, without it in virtual-host style. */
  readonly path: string
  /** The path as it was sent, in virtual-host style with the bucket before it: what Signature Version 2 signs. */
  readonly resource: string
}

/**
 * @param rawUrl the target of the request line, one character a byte
 * @param host the Host header, with or without a port
 * @param domains base domains of virtual-host style
 * @throws SealgateError InvalidURI, KeyTooLongError, InvalidBucketName, InvalidArgument (too many parameters)
 */
export function parseTarget(rawUrl: string, host: string | undefined, domains: readonly string[]): Target {
  if (rawUrl.length > MAX_TARGET_BYTES) throw new SealgateError('InvalidURI')
  const origin = originForm(rawUrl, host)
  const mark = origin.indexOf('?')
  const query = new Query(mark < 0 ? '' : origin.slice(mark + 1))
  const rawPath = mark < 0 ? origin : origin.slice(0, mark)
  const path = decode(rawPath)
  const virtual = bucketOfHost(host, domains)
  const { bucket, key } = virtual === null ? splitPath(path) : { bucket: virtual, key: path.slice(1) || null }
  if (key !== null) checkKey(key)
  const resource = virtual === null ? rawPath : `/${virtual}${rawPath}`
  return { bucket, key, query, path, resource }
}

/** @throws SealgateError KeyTooLongError, InvalidURI for one that no store takes */
export function checkKey(key: string): void {
  if (key.includes('\0')) throw new SealgateError('InvalidURI')
  const size = Buffer.byteLength(key)
  if (size <= MAX_KEY_BYTES) return
  throw new SealgateError('KeyTooLongError', undefined, {
    details: { Size: String(size), MaxSizeAllowed: String(MAX_KEY_BYTES) },
  })
}

/** Decoded parameters in their order. `?name` is a name with an empty value. */
export class Query {
  readonly #entries: readonly (readonly [string, string])[]
  readonly #bare = new Set<string>()

  constructor(raw: string) {
    const pairs = raw.split('&').filter((pair) => pair !== '')
    if (pairs.length > MAX_PARAMETERS)
      throw new SealgateError('InvalidArgument', 'The request has too many query parameters.')
    this.#entries = pairs.map((pair) => {
      const equals = pair.indexOf('=')
      const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals))
      if (equals < 0) this.#bare.add(name)
      return [name, equals < 0 ? '' : decodeForm(pair.slice(equals + 1))] as const
    })
  }

  /** @throws SealgateError InvalidArgument if the parameter came twice: which one counts would be a guess */
  get(name: string): string | undefined {
    const found = this.#entries.filter(([candidate]) => candidate === name)
    if (found.length > 1) {
      throw new SealgateError('InvalidArgument', `The query parameter ${name} may be sent only once.`, {
        details: { ArgumentName: name },
      })
    }
    return found[0]?.[1]
  }

  has(name: string): boolean {
    return this.#entries.some(([candidate]) => candidate === name)
  }

  /** Whether the parameter stands there without `=`. */
  isBare(name: string): boolean {
    return this.#bare.has(name)
  }

  entries(): readonly (readonly [name: string, value: string])[] {
    return this.#entries
  }
}

/** An absolute-form target is taken only if it names the same host: else signature and bucket could mean two hosts. */
function originForm(rawUrl: string, host: string | undefined): string {
  if (rawUrl.startsWith('/')) return rawUrl
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/is.exec(rawUrl)
  if (absolute === null || absolute[1]?.toLowerCase() !== host?.toLowerCase())
    throw new SealgateError('InvalidURI')
  const rest = absolute[2] ?? ''
  return rest.startsWith('/') ? rest : `/${rest}`
}

function splitPath(path: string): { bucket: string | null; key: string | null } {
  if (path === '/') return { bucket: null, key: null }
  const slash = path.indexOf('/', 1)
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash)
  if (bucket === '') throw new SealgateError('InvalidBucketName')
  return { bucket, key: slash < 0 ? null : path.slice(slash + 1) || null }
}

function bucketOfHost(host: string | undefined, domains: readonly string[]): string | null {
  if (host === undefined || domains.length === 0) return null
  const name = host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
  const bases = domains.map((domain) => domain.toLowerCase().replace(/^\.+|\.+$/g, ''))
  if (bases.includes(name)) return null
  const base = bases
    .filter((candidate) => candidate !== '' && name.endsWith(`.${candidate}`))
    .reduce((longest, candidate) => (candidate.length > longest.length ? candidate : longest), '')
  if (base === '') return null
  const bucket = name.slice(0, -base.length - 1)
  if (bucket === '') throw new SealgateError('InvalidBucketName')
  return bucket
}

function decodeForm(raw: string): string {
  return decode(raw.replaceAll('+', ' '))
}

/** `ignoreBOM` keeps U+FEFF, which is a character of a key like any other. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Percent-decodes once; the bytes must be UTF-8 without NUL. */
function decode(raw: string): string {
  // Beyond U+00FF nothing is a byte of a request line, and latin1 would cut it to one.
  if (/%(?![0-9A-Fa-f]{2})|[\u0100-\uffff]/.test(raw)) throw new SealgateError('InvalidURI')
  const bytes = Buffer.from(
    raw.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
  try {
    const text = UTF8.decode(bytes)
    if (!text.includes('\0')) return text
  } catch (cause) {
    throw new SealgateError('InvalidURI', undefined, { cause })
  }
  throw new SealgateError('InvalidURI')
}
