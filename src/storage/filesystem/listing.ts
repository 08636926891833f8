import { SealgateError } from '../../errors.ts'
import type { ListedObject, ListObjectsRequest, ListObjectsResult } from '../storage.ts'
import type { IndexDatabase } from './index-database.ts'

interface Row {
  readonly key: Uint8Array
  readonly size: number
  readonly etag: string
  readonly modified: number
  readonly class: string
}

const SELECT = 'SELECT key, size, etag, modified, class FROM object WHERE bucket = ? AND key >= ?'

/** One page, by range scans over bytes; a common prefix is one seek, however many keys lie behind it. */
export function listPage(index: IndexDatabase, request: ListObjectsRequest): ListObjectsResult {
  const { bucket, maxKeys } = request
  const prefix = Buffer.from(request.prefix)
  const delimiter = Buffer.from(request.delimiter)
  const end = successor(prefix)
  const objects: ListedObject[] = []
  const commonPrefixes: string[] = []
  let lower = lowerBound(request, prefix)
  let last = ''
  if (maxKeys === 0) return { objects, commonPrefixes }
  // Behind a common prefix there is often the next one: what a seek reads grows only while it finds objects.
  let want = delimiter.length === 0 ? maxKeys + 1 : 2
  for (;;) {
    const rows = scan(index, bucket, lower, end, want)
    want = Math.min(want * 8, maxKeys + 1)
    for (const row of rows) {
      const key = Buffer.from(row.key.buffer, row.key.byteOffset, row.key.byteLength)
      const common = commonPrefix(key, prefix, delimiter)
      if (objects.length + commonPrefixes.length === maxKeys)
        return { objects, commonPrefixes, next: token(lower), nextMarker: last }
      if (common === null) {
        last = key.toString()
        objects.push({
          key: last,
          size: row.size,
          etag: row.etag,
          lastModified: row.modified,
          storageClass: row.class,
        })
        lower = after(key)
        continue
      }
      last = common.toString()
      commonPrefixes.push(last)
      const behind = successor(common)
      if (behind === null) return { objects, commonPrefixes }
      lower = behind
      want = 2
      break
    }
    if (rows.length === 0) return { objects, commonPrefixes }
  }
}

function scan(index: IndexDatabase, bucket: string, lower: Buffer, end: Buffer | null, limit: number): Row[] {
  return end === null
    ? index.all<Row>(`${SELECT} ORDER BY key LIMIT ?`, bucket, lower, limit)
    : index.all<Row>(`${SELECT} AND key < ? ORDER BY key LIMIT ?`, bucket, lower, end, limit)
}

function lowerBound(
  { continuationToken, startAfter, prefix: _prefix, delimiter }: ListObjectsRequest,
  prefix: Buffer,
): Buffer {
  let lower = prefix
  if (continuationToken !== undefined) lower = readToken(continuationToken)
  else if (startAfter !== '') {
    const marker = Buffer.from(startAfter)
    lower =
      (isCommonPrefix(marker, prefix, Buffer.from(delimiter)) ? successor(marker) : null) ?? after(marker)
  }
  return Buffer.compare(lower, prefix) < 0 ? prefix : lower
}

/** The part of a key up to the delimiter behind the prefix, or null. */
export function commonPrefix(key: Buffer, prefix: Buffer, delimiter: Buffer): Buffer | null {
  if (delimiter.length === 0) return null
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? null : key.subarray(0, at + delimiter.length)
}

/** Whether a listing folds keys into exactly this name. */
export function isCommonPrefix(name: Buffer, prefix: Buffer, delimiter: Buffer): boolean {
  const begins = name.subarray(0, prefix.length).equals(prefix)
  return begins && commonPrefix(name, prefix, delimiter)?.length === name.length
}

/** The smallest byte string behind every one that begins with this; null if there is none. */
export function successor(bytes: Buffer): Buffer | null {
  const copy = Buffer.from(bytes)
  for (let end = copy.length; end > 0; end--) {
    const byte = copy[end - 1] ?? 0xff
    if (byte === 0xff) continue
    copy[end - 1] = byte + 1
    return copy.subarray(0, end)
  }
  return null
}

/** The smallest byte string behind this one. */
export function after(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.from([0])])
}

/** A token is where the next page begins, behind a version byte. */
function token(lower: Buffer): string {
  return Buffer.concat([Buffer.from([1]), lower]).toString('base64url')
}

function readToken(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes[0] !== 1 || bytes.length > 1100 || bytes.toString('base64url') !== text) {
    throw new SealgateError('InvalidArgument', 'The continuation token provided is incorrect', {
      details: { ArgumentName: 'continuation-token' },
    })
  }
  return bytes.subarray(1)
}
