import { createHash } from 'node:crypto'
import { trimBlanks } from '../base/blanks.ts'
import { u32 } from './bytes.ts'
import { ENVELOPE_METADATA_NAME } from './constants.ts'

/**
 * SHA-256 over everything a store could turn against a client without touching the body: Content-Type and its
 * fellows and all user metadata (FORMAT.md section 5.2).
 * @param headers lower-case header names; names that are not bound are ignored
 * @param metadata user metadata, names without `x-amz-meta-`; the envelope's own entry is left out
 * Values are latin1 strings, as node:http gives them; anything beyond is a TypeError.
 */
export function metadataHash(
  headers: Readonly<Record<string, string>>,
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const entries = new Map<string, string>()
  for (const name of BOUND_HEADERS) {
    const value = canonicalHeader(name, headers[name] ?? '')
    if (value !== '') entries.set(name, value)
  }
  for (const [given, value] of Object.entries(metadata)) {
    const name = given.toLowerCase()
    if (name === ENVELOPE_METADATA_NAME) continue
    const entry = `x-amz-meta-${name}`
    if (entries.has(entry)) throw new TypeError('metadata names differ only in case')
    entries.set(entry, trimBlanks(value))
  }
  const hash = createHash('sha256')
  // Code unit order is byte order here, as every name is latin1.
  for (const name of [...entries.keys()].sort()) {
    for (const text of [name, entries.get(name) ?? '']) {
      const bytes = latin1(text)
      hash.update(u32(bytes.length)).update(bytes)
    }
  }
  return hash.digest()
}

/**
 * Of a store's headers those that the hash speaks for, with the bytes that they were stored with: nothing else of them is authentic. An
 * aws-chunked that a store keeps or adds is none of them.
 */
export function boundHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const bound = BOUND_HEADERS.map((name) => {
    const value = headers[name] ?? ''
    const canonical = canonicalHeader(name, value)
    const isChunked = name === 'content-encoding' && /aws-chunked/i.test(value)
    return [name, isChunked || value === '' ? canonical : value] as const
  })
  return Object.fromEntries(bound.filter(([, value]) => value !== ''))
}

const BOUND_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
  'x-amz-website-redirect-location',
]

function canonicalHeader(name: string, value: string): string {
  if (name === 'content-type') return trimBlanks(value) || 'binary/octet-stream'
  if (name !== 'content-encoding') return trimBlanks(value)
  // aws-chunked is the coding of the transfer, not of the object; some stores keep it, some drop it.
  const codings = value.split(',').map(trimBlanks)
  return codings.filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked').join(',')
}

function latin1(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  // The encoder keeps only the low byte of a wider character: two values, one hash.
  if (bytes.toString('latin1') !== text) throw new TypeError('expected a latin1 header value')
  return bytes
}
