import { isError } from '../errors.ts'
import type { KeyRecords } from '../keys/index.ts'
import { putSystemObject, readSystemObject, type SystemBucket, systemObjects } from './system-bucket.ts'

/** The records of the keys, kept in the system bucket. */
export function systemKeyRecords(bucket: SystemBucket): KeyRecords {
  return {
    async create(name, bytes) {
      try {
        await putSystemObject(bucket, name, bytes, { ifNoneMatch: '*' })
        return true
      } catch (error) {
        if (isError(error, 'PreconditionFailed')) return false
        throw error
      }
    },
    replace: (name, bytes) => putSystemObject(bucket, name, bytes),
    async read(name, limit) {
      try {
        return await readSystemObject(bucket, name, limit)
      } catch (error) {
        // Longer than any record: what a hostile store puts there is none.
        if (isError(error, 'ObjectIntegrityError')) return null
        throw error
      }
    },
    async *list(prefix) {
      for await (const { key, etag, lastModified } of systemObjects(bucket, prefix))
        yield { name: key, revision: `${etag} ${lastModified}` }
    },
  }
}
