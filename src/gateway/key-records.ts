import { isError, SealgateError } from '../errors.ts'
import type { KeyRecords } from '../keys/index.ts'
import {
  createSystemObject,
  putSystemObject,
  readSystemObject,
  type SystemBucket,
  systemObjects,
} from './system-bucket.ts'

/** The records of the keys, kept in the system bucket. */
export function systemKeyRecords(bucket: SystemBucket): KeyRecords {
  return {
    async create(name, bytes) {
      try {
        return await createSystemObject(bucket, name, bytes)
      } catch (error) {
        throw ours(error)
      }
    },
    async replace(name, bytes) {
      await putSystemObject(bucket, name, bytes).catch((error: unknown) => {
        throw ours(error)
      })
    },
    async read(name, limit) {
      try {
        return await readSystemObject(bucket, name, limit)
      } catch (error) {
        // Longer than any record: what a hostile store puts there is none.
        if (isError(error, 'ObjectIntegrityError')) return null
        throw ours(error)
      }
    },
    async *list(prefix) {
      try {
        for await (const { key, etag, lastModified } of systemObjects(bucket, prefix))
          yield { name: key, revision: `${etag} ${lastModified}` }
      } catch (error) {
        throw ours(error)
      }
    },
  }
}

/** To a client it must not look as if its own bucket were not there: it would make it, or take its objects for deleted. */
function ours(error: unknown): unknown {
  if (!isError(error, 'NoSuchBucket')) return error
  return new SealgateError('InternalError', undefined, { cause: error, reason: 'the system bucket is gone' })
}
