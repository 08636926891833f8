import { SealgateError } from '../../errors.ts'
import { conditionFailed } from '../capabilities.ts'
import type { ObjectName, StoredObject, WriteCondition } from '../storage.ts'
import type { IndexDatabase } from './index-database.ts'
import { splitTags } from './kept-tags.ts'
import type { Extent } from './read-extents.ts'

/** A version of an object as the index has it; headers, metadata and extents are JSON. */
export interface ObjectRow {
  readonly size: number
  readonly etag: string
  readonly modified: number
  readonly class: string
  readonly headers: string
  readonly metadata: string
  readonly extents: string
  readonly version: string
}

export type NewObject = ObjectName &
  Omit<StoredObject, 'lastModified' | 'versionId' | 'tagCount' | 'lock'> & {
    readonly extents: readonly Extent[]
  }

export function findObject(index: IndexDatabase, { bucket, key }: ObjectName): ObjectRow | undefined {
  return index.get<ObjectRow>(
    'SELECT size, etag, modified, class, headers, metadata, extents, version FROM object WHERE bucket = ? AND key = ?',
    bucket,
    Buffer.from(key),
  )
}

export function insertObject(
  index: IndexDatabase,
  object: NewObject & { readonly lastModified: number },
  versionId: string,
): void {
  index.run(
    'INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    object.bucket,
    Buffer.from(object.key),
    object.size,
    object.etag,
    object.lastModified,
    object.storageClass,
    JSON.stringify(object.headers),
    JSON.stringify(object.metadata),
    JSON.stringify(object.extents),
    versionId,
  )
}

export function deleteObject(index: IndexDatabase, { bucket, key }: ObjectName): void {
  index.run('DELETE FROM object WHERE bucket = ? AND key = ?', bucket, Buffer.from(key))
}

/** PreconditionFailed; NoSuchKey if what must match is not there. */
export function checkCondition(
  index: IndexDatabase,
  name: ObjectName,
  condition: WriteCondition | undefined,
): void {
  if (condition === undefined) return
  const row = findObject(index, name)
  if ('ifNoneMatch' in condition) {
    if (row !== undefined) throw conditionFailed('If-None-Match')
    return
  }
  if (row === undefined) throw noSuchKey(name.key)
  if (row.etag !== condition.ifMatch) throw conditionFailed('If-Match')
}

export function noSuchKey(key: string): SealgateError {
  return new SealgateError('NoSuchKey', undefined, { details: { Key: key } })
}

/** @param hasVersions whether the bucket has or had versions: the others' answers do not speak of them */
export function toStoredObject(row: ObjectRow, hasVersions: boolean): StoredObject {
  const { headers, tags } = splitTags(row.headers)
  return {
    size: row.size,
    etag: row.etag,
    lastModified: row.modified,
    storageClass: row.class,
    headers,
    ...(tags.length === 0 ? {} : { tagCount: tags.length }),
    metadata: JSON.parse(row.metadata) as Record<string, string>,
    ...(hasVersions ? { versionId: row.version } : {}),
  }
}
