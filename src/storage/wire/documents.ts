import { childText, readXml, type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { SealgateError } from '../../errors.ts'
import { badAnswer } from './errors.ts'

/** What completes an upload: its parts, with their ETags in quotes. */
export function completionOf(
  parts: readonly { readonly partNumber: number; readonly etag: string }[],
): Buffer {
  const list = parts.map(({ partNumber, etag }) =>
    xmlElement('Part', [xmlElement('PartNumber', String(partNumber)), xmlElement('ETag', etag)]),
  )
  return Buffer.from(writeXml(xmlElement('CompleteMultipartUpload', list)))
}

/** The document of a success. */
export function readResult(bytes: Buffer, name: string): XmlElement {
  const root = readXml(trimmed(bytes), (reason) => {
    throw badAnswer(reason)
  })
  if (root.name !== name) throw badAnswer(`a document ${root.name} instead of ${name}`)
  return root
}

/**
 * The document without markers that cannot be read: some stores write them raw, also where names are encoded, and XML has not every
 * character that a name can have, not even by number. Where the next page begins is then told by the last name of this one.
 */
export function withoutRawMarkers(bytes: Buffer): Buffer {
  return MARKERS.reduce(withoutRaw, bytes)
}

const MARKERS = [
  'NextContinuationToken',
  'ContinuationToken',
  'StartAfter',
  'NextKeyMarker',
  'KeyMarker',
  'NextMarker',
  'Marker',
]

function withoutRaw(bytes: Buffer, element: string): Buffer {
  const [opening, closing] = [`<${element}>`, `</${element}>`]
  const start = bytes.indexOf(opening)
  const end = bytes.indexOf(closing, start)
  if (start < 0 || end < 0) return bytes
  const marker = bytes.toString('utf8', start + opening.length, end)
  if (!RAW.test(marker)) return bytes
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end + closing.length)])
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
const RAW = /&#|[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/

/** Blanks that kept the connection alive may stand in front of the declaration. */
function trimmed(bytes: Buffer): Buffer {
  let at = 0
  while (at < bytes.length && (bytes[at] ?? 0) <= 0x20) at++
  return bytes.subarray(at)
}

/** The decoder of names in a list that was asked for with encoding-type=url: some write a blank as `+`, some as `%20`. */
export function nameDecoder(
  result: XmlElement,
  { always = false } = {},
): (text: string | undefined) => string {
  const encoded = always || childText(result, 'EncodingType') === 'url'
  return (text = '') => (encoded ? decode(text.replaceAll('+', ' ')) : text)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw badName(cause)
  }
}

function badName(cause: unknown): SealgateError {
  const error = badAnswer('a name that is not UTF-8')
  return new SealgateError(error.kind, undefined, {
    cause,
    reason: error.reason ?? '',
    headers: error.headers,
  })
}
