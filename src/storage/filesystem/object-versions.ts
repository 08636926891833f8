/**
 * What writes and deletions do to the versions of a key. The newest version lies in the table `object`, unless it is a delete marker; the
 * older ones and all delete markers lie in `version`. So a key is listed exactly if it has an object, and buckets without versions are not
 * touched by any of this.
 */
import { randomBytes } from 'node:crypto'
import type { ObjectName, ObjectVersionName } from '../storage.ts'
import { deleteMarkerNamed, hiddenKey, invalidVersionId, noSuchVersion } from '../version-errors.ts'
import { NULL_VERSION, type VersioningStatus } from '../versioning.ts'
import type { IndexDatabase } from './index-database.ts'
import {
  deleteObject,
  findObject,
  insertObject,
  type NewObject,
  noSuchKey,
  type ObjectRow,
} from './object-rows.ts'

interface HiddenRow extends ObjectRow {
  /** Smaller is newer: the negative of a time that grows with each version of the key. */
  readonly rank: number
  readonly marker: number
}

export function versioningOf(index: IndexDatabase, bucket: string): VersioningStatus | null {
  const row = index.get<{ status: VersioningStatus }>(
    'SELECT status FROM versioning WHERE bucket = ?',
    bucket,
  )
  return row?.status ?? null
}

const TIME_DIGITS = 9

/** Begins with the version's time, so that a list goes on behind a version that is gone by then. */
function newVersionId(time: number): string {
  return `${time.toString(36).padStart(TIME_DIGITS, '0')}${randomBytes(17).toString('base64url')}`
}

/** InvalidArgument if the store cannot have given this id. */
export function checkVersionId(versionId: string): void {
  if (versionId !== NULL_VERSION && !/^[0-9a-z]{9}[\w-]{23}$/.test(versionId))
    throw invalidVersionId(versionId)
}

/** Of an id that is not `null`. */
export function rankOf(versionId: string): number {
  return -Number.parseInt(versionId.slice(0, TIME_DIGITS), 36)
}

/** Of the newest version of a key, be it an object or a delete marker. */
export function newestRank(index: IndexDatabase, name: ObjectName): number | undefined {
  const newest = findObject(index, name)
  return newest === undefined ? newestHidden(index, name)?.rank : -timeOf(index, name, newest)
}

/** The object that is asked for; the errors of Storage.headObject, but for the bucket's. */
export function requireVersion(index: IndexDatabase, name: ObjectVersionName): ObjectRow {
  const { key, versionId } = name
  const newest = findObject(index, name)
  if (versionId === undefined) {
    if (newest !== undefined) return newest
    const marker = newestHidden(index, name)
    throw marker === undefined ? noSuchKey(key) : hiddenKey(key, marker.version)
  }
  checkVersionId(versionId)
  if (newest?.version === versionId) return newest
  const row = findHidden(index, name, versionId)
  if (row === undefined) throw noSuchVersion(key, versionId)
  if (row.marker === 1) throw deleteMarkerNamed(versionId, row.modified)
  return row
}

export interface Replaced {
  /** There if S3 would tell it. */
  readonly versionId?: string | undefined
  /** Of what is gone for it, as JSON. */
  readonly dropped: readonly string[]
}

/** Puts an object where the newest version is. */
export function putNewest(
  index: IndexDatabase,
  object: NewObject,
): Replaced & { readonly lastModified: number } {
  const status = versioningOf(index, object.bucket)
  const { dropped, modified } = clearNewest(index, object, status)
  // A clock that was set back does not make the newer object the older one.
  const lastModified = Math.max(Date.now(), modified)
  const versionId = status === 'Enabled' ? newVersionId(nextTime(index, object)) : NULL_VERSION
  insertObject(index, { ...object, lastModified }, versionId)
  // Of a write that makes the version null S3 does not say so.
  return { dropped, lastModified, versionId: status === 'Enabled' ? versionId : undefined }
}

/** Deletes a key: for good if its bucket has no versions, otherwise by a delete marker. */
export function hideKey(
  index: IndexDatabase,
  name: ObjectName,
): Replaced & { readonly isDeleteMarker: boolean } {
  const status = versioningOf(index, name.bucket)
  const { dropped, modified } = clearNewest(index, name, status)
  if (status === null) return { dropped, isDeleteMarker: false }
  const time = nextTime(index, name)
  const versionId = status === 'Enabled' ? newVersionId(time) : NULL_VERSION
  const nothing = { size: 0, etag: '', class: '', headers: '{}', metadata: '{}', extents: '[]' }
  insertHidden(index, name, {
    ...nothing,
    version: versionId,
    rank: -time,
    modified: Math.max(Date.now(), modified),
    marker: 1,
  })
  return { dropped, versionId, isDeleteMarker: true }
}

/** Removes one version for good; what it hid comes forth. */
export function removeVersion(
  index: IndexDatabase,
  name: ObjectName,
  versionId: string,
): { readonly dropped: readonly string[]; readonly isDeleteMarker: boolean } {
  checkVersionId(versionId)
  const newest = findObject(index, name)
  if (newest?.version === versionId) {
    deleteObject(index, name)
    promote(index, name)
    return { dropped: [newest.extents], isDeleteMarker: false }
  }
  const row = findHidden(index, name, versionId)
  if (row === undefined) return { dropped: [], isDeleteMarker: false }
  deleteHidden(index, name, row)
  if (newest === undefined) promote(index, name)
  return { dropped: [row.extents], isDeleteMarker: row.marker === 1 }
}

/** Makes room for what becomes the newest: the versions that stay go behind it, the one whose place it takes goes away. */
function clearNewest(
  index: IndexDatabase,
  name: ObjectName,
  status: VersioningStatus | null,
): { dropped: string[]; modified: number } {
  const newest = findObject(index, name)
  const hidden = newest === undefined && status !== null ? newestHidden(index, name) : undefined
  const modified = newest?.modified ?? hidden?.modified ?? 0
  const dropped: string[] = []
  const replacesNull = status !== 'Enabled'
  if (newest !== undefined) {
    deleteObject(index, name)
    if (replacesNull && newest.version === NULL_VERSION) dropped.push(newest.extents)
    else insertHidden(index, name, { ...newest, rank: -timeOf(index, name, newest), marker: 0 })
  }
  const older = status === 'Suspended' ? findHidden(index, name, NULL_VERSION) : undefined
  if (older !== undefined) {
    deleteHidden(index, name, older)
    dropped.push(older.extents)
  }
  return { dropped, modified }
}

/** If the newest version that is left is an object, the key is listed again. */
function promote(index: IndexDatabase, name: ObjectName): void {
  const row = newestHidden(index, name)
  if (row === undefined || row.marker === 1) return
  deleteHidden(index, name, row)
  index.run(
    'INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...nameOf(name),
    ...columnsOf(row),
    row.version,
  )
}

/** When the newest version came, in the count by which versions are ordered. */
function timeOf(index: IndexDatabase, name: ObjectName, newest: ObjectRow): number {
  return newest.version === NULL_VERSION
    ? Math.max(newest.modified, afterHidden(index, name))
    : -rankOf(newest.version)
}

function nextTime(index: IndexDatabase, name: ObjectName): number {
  return Math.max(Date.now(), afterHidden(index, name))
}

function afterHidden(index: IndexDatabase, name: ObjectName): number {
  return 1 - (newestHidden(index, name)?.rank ?? 0)
}

const COLUMNS = 'size, etag, modified, class, headers, metadata, extents'
const SELECT = `SELECT rank, id AS version, ${COLUMNS}, marker FROM version WHERE bucket = ? AND key = ?`

function newestHidden(index: IndexDatabase, name: ObjectName): HiddenRow | undefined {
  return index.get<HiddenRow>(`${SELECT} ORDER BY rank LIMIT 1`, ...nameOf(name))
}

export function findHidden(index: IndexDatabase, name: ObjectName, versionId: string): HiddenRow | undefined {
  return index.get<HiddenRow>(`${SELECT} AND id = ?`, ...nameOf(name), versionId)
}

function insertHidden(index: IndexDatabase, name: ObjectName, row: HiddenRow): void {
  index.run(
    `INSERT INTO version(bucket, key, rank, id, marker, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...nameOf(name),
    row.rank,
    row.version,
    row.marker,
    ...columnsOf(row),
  )
}

function deleteHidden(index: IndexDatabase, name: ObjectName, { rank }: HiddenRow): void {
  index.run('DELETE FROM version WHERE bucket = ? AND key = ? AND rank = ?', ...nameOf(name), rank)
}

function nameOf({ bucket, key }: ObjectName): [string, Buffer] {
  return [bucket, Buffer.from(key)]
}

function columnsOf({ size, etag, modified, class: storageClass, headers, metadata, extents }: ObjectRow) {
  return [size, etag, modified, storageClass, headers, metadata, extents] as const
}
