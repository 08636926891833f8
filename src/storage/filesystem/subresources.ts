import type { XmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'
import type { SubresourceDocument, SubresourceRequest, Subresources } from '../subresources.ts'
import { type Tag, taggingDocument, tagsOf } from '../tagging.ts'
import { requireBucket } from './bucket-versioning.ts'
import type { IndexDatabase } from './index-database.ts'
import { splitTags, withTags } from './kept-tags.ts'
import { findObject, type ObjectRow } from './object-rows.ts'
import { requireVersion } from './object-versions.ts'

/** Those that only have to be kept: nothing here acts on them. */
const KEPT = { bucket: ['tagging', 'cors'], object: ['tagging'] } as const

/** @param write a write to the index, which needs room on the disk */
export function filesystemSubresources(
  index: IndexDatabase,
  write: <T>(run: () => T) => Promise<T>,
): Subresources {
  return {
    keeps: (on, name) => (KEPT[on] as readonly string[]).includes(name),
    async readSubresource(request) {
      requireBucket(index, request.bucket)
      if (request.key === undefined) return { document: bucketDocument(index, request), headers: {} }
      const { row, headers } = objectOf(index, request)
      return { document: taggingDocument(splitTags(row.headers).tags), headers }
    },
    writeSubresource(request, document) {
      return write(() => {
        requireBucket(index, request.bucket)
        if (request.key !== undefined) return setTags(index, request, tagsIn(document))
        const text = JSON.stringify(document)
        index.run('INSERT OR REPLACE INTO setting VALUES (?, ?, ?)', request.bucket, request.name, text)
        return {}
      })
    },
    removeSubresource(request) {
      return write(() => {
        requireBucket(index, request.bucket)
        if (request.key !== undefined) return setTags(index, request, [])
        index.run('DELETE FROM setting WHERE bucket = ? AND name = ?', request.bucket, request.name)
        return {}
      })
    },
    storedBucket: (bucket) => bucket,
    shownBucket: (stored) => stored,
  }
}

function bucketDocument(index: IndexDatabase, { bucket, name }: SubresourceRequest): XmlElement {
  const row = index.get<{ document: string }>(
    'SELECT document FROM setting WHERE bucket = ? AND name = ?',
    bucket,
    name,
  )
  if (row !== undefined) return JSON.parse(row.document) as XmlElement
  throw new SealgateError(name === 'cors' ? 'NoSuchCORSConfiguration' : 'NoSuchTagSet')
}

/** The version that is meant, and how the answer names it. */
function objectOf(index: IndexDatabase, { bucket, key = '', versionId }: SubresourceRequest) {
  const row = requireVersion(index, { bucket, key, versionId })
  const isVersion = versionId !== undefined || row.version !== 'null'
  return { row, headers: isVersion ? { 'x-amz-version-id': row.version } : {} }
}

function setTags(index: IndexDatabase, request: SubresourceRequest, tags: readonly Tag[]) {
  const { bucket, key = '' } = request
  const { row, headers } = objectOf(index, request)
  const text = JSON.stringify(withTags(splitTags(row.headers).headers, tags))
  const isNewest = findObject(index, { bucket, key })?.version === row.version
  const where = isNewest
    ? 'UPDATE object SET headers = ? WHERE bucket = ? AND key = ? AND version = ?'
    : 'UPDATE version SET headers = ? WHERE bucket = ? AND key = ? AND id = ?'
  index.run(where, text, bucket, Buffer.from(key), row.version satisfies ObjectRow['version'])
  return headers
}

function tagsIn(document: SubresourceDocument): readonly Tag[] {
  if (document === null || typeof document === 'string') throw new TypeError('expected a document of tags')
  return tagsOf(document)
}
