import type { ObjectName } from '../storage.ts'
import type {
  ListedDeleteMarker,
  ListedVersion,
  ListObjectVersionsRequest,
  ListObjectVersionsResult,
} from '../versioning.ts'
import { NULL_VERSION } from '../versioning.ts'
import type { IndexDatabase } from './index-database.ts'
import { after, commonPrefix, isCommonPrefix, successor } from './listing.ts'
import { findObject } from './object-rows.ts'
import { checkVersionId, findHidden, newestRank, rankOf } from './object-versions.ts'

interface Row {
  readonly key: Uint8Array
  readonly rank: number
  readonly id: string
  readonly size: number
  readonly etag: string
  readonly modified: number
  readonly class: string
  readonly marker: number
}

/** Before this (inclusive) nothing is shown. */
interface Position {
  readonly key: Buffer
  readonly rank: number
}

/** Newer than any rank that a version has: what lies in the table of objects is the newest version of its key. */
const NEWEST = Number.MIN_SAFE_INTEGER
const OBJECTS = `SELECT key, ${NEWEST} AS rank, version AS id, size, etag, modified, class, 0 AS marker FROM object`
const HIDDEN = 'SELECT key, rank, id, size, etag, modified, class, marker FROM version'

/** One page, by two range scans that SQLite merges; a common prefix is one seek, however many versions lie behind it. */
export function listVersionsPage(
  index: IndexDatabase,
  request: ListObjectVersionsRequest,
): ListObjectVersionsResult {
  const { bucket, maxKeys } = request
  const prefix = Buffer.from(request.prefix)
  const delimiter = Buffer.from(request.delimiter)
  const end = successor(prefix)
  const versions: (ListedVersion | ListedDeleteMarker)[] = []
  const commonPrefixes: string[] = []
  const last = { nextKeyMarker: '', nextVersionIdMarker: '' }
  let lower = begin(index, request, prefix)
  // Of a page that begins inside a key, what is left of the key is not its newest.
  let previous: Buffer | null = lower.rank === NEWEST ? null : lower.key
  const whole = () => ({
    versions,
    commonPrefixes,
    isTruncated: false,
    nextKeyMarker: '',
    nextVersionIdMarker: '',
  })
  if (maxKeys === 0) return whole()
  let want = delimiter.length === 0 ? maxKeys + 1 : 2
  for (;;) {
    const rows = scan(index, bucket, lower, end, want)
    want = Math.min(want * 8, maxKeys + 1)
    for (const row of rows) {
      if (versions.length + commonPrefixes.length === maxKeys)
        return { versions, commonPrefixes, isTruncated: true, ...last }
      const key = Buffer.from(row.key.buffer, row.key.byteOffset, row.key.byteLength)
      const common = commonPrefix(key, prefix, delimiter)
      if (common === null) {
        versions.push(listed(row, key, previous?.equals(key) !== true))
        last.nextKeyMarker = key.toString()
        last.nextVersionIdMarker = row.id
        lower = { key, rank: row.rank + 1 }
        previous = key
        continue
      }
      last.nextKeyMarker = common.toString()
      last.nextVersionIdMarker = ''
      commonPrefixes.push(last.nextKeyMarker)
      const behind = successor(common)
      if (behind === null) return whole()
      lower = { key: behind, rank: NEWEST }
      want = 2
      break
    }
    if (rows.length === 0) return whole()
  }
}

function listed(row: Row, key: Buffer, isLatest: boolean): ListedVersion | ListedDeleteMarker {
  const entry = { key: key.toString(), versionId: row.id, isLatest, lastModified: row.modified }
  if (row.marker === 1) return { ...entry, isDeleteMarker: true }
  return { ...entry, isDeleteMarker: false, size: row.size, etag: row.etag, storageClass: row.class }
}

function scan(
  index: IndexDatabase,
  bucket: string,
  { key, rank }: Position,
  end: Buffer | null,
  limit: number,
): Row[] {
  const until = end === null ? '' : ' AND key < ?'
  const bound = end === null ? [] : [end]
  const objects = `${OBJECTS} WHERE bucket = ? AND key >= ?${until}`
  const hidden = `${HIDDEN} WHERE bucket = ? AND (key, rank) >= (?, ?)${until}`
  return index.all<Row>(
    `${objects} UNION ALL ${hidden} ORDER BY key, rank LIMIT ?`,
    ...[bucket, rank === NEWEST ? key : after(key), ...bound],
    ...[bucket, key, rank, ...bound],
    limit,
  )
}

function begin(index: IndexDatabase, request: ListObjectVersionsRequest, prefix: Buffer): Position {
  const position = behindMarker(index, request, prefix)
  return Buffer.compare(position.key, prefix) < 0 ? { key: prefix, rank: NEWEST } : position
}

function behindMarker(
  index: IndexDatabase,
  { bucket, keyMarker, versionIdMarker, delimiter }: ListObjectVersionsRequest,
  prefix: Buffer,
): Position {
  const key = Buffer.from(keyMarker)
  if (keyMarker === '') return { key, rank: NEWEST }
  if (isCommonPrefix(key, prefix, Buffer.from(delimiter)))
    return { key: successor(key) ?? after(key), rank: NEWEST }
  if (versionIdMarker === '') return { key: after(key), rank: NEWEST }
  checkVersionId(versionIdMarker)
  const name = { bucket, key: keyMarker }
  const newest = newestRank(index, name)
  const marker = versionIdMarker === NULL_VERSION ? rankOfNull(index, name) : rankOf(versionIdMarker)
  // Where all that was before the marker is gone by now, what is left of the key is all of it.
  const inside = newest !== undefined && marker !== undefined && newest <= marker
  return { key, rank: inside ? marker + 1 : NEWEST }
}

/** One that is gone does not tell where it was: better versions shown twice than some that are not shown. */
function rankOfNull(index: IndexDatabase, name: ObjectName): number | undefined {
  if (findObject(index, name)?.version === NULL_VERSION) return newestRank(index, name)
  return findHidden(index, name, NULL_VERSION)?.rank
}
