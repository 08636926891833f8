import { createHash } from 'node:crypto'
import { childrenOf, childText } from '../../base/xml-reader.ts'
import { isError } from '../../errors.ts'
import { readResult } from './documents.ts'
import { storeError } from './errors.ts'
import { deleteObject } from './objects.ts'
import type { Store } from './store.ts'

/** S3's most for one DeleteObjects. */
const AT_ONCE = 1000
/** Where the server has no DeleteObjects. */
const SINGLY_AT_ONCE = 32
/** Names that stand in a document as they are; those of the deployment's own records all do. */
const PLAIN = /^[A-Za-z0-9._~/-]+$/

/** Removes objects of a bucket without versions, 1000 by one call; singly where the server does not know how. */
export async function removeObjects(store: Store, bucket: string, keys: readonly string[]): Promise<void> {
  if (keys.length < 2 || !keys.every((key) => PLAIN.test(key))) return removeSingly(store, bucket, keys)
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const some = keys.slice(at, at + AT_ONCE)
    try {
      await removeAtOnce(store, bucket, some)
    } catch (error) {
      if (!isError(error, 'NotImplemented', 'MethodNotAllowed', 'InternalError')) throw error
      await removeSingly(store, bucket, some)
    }
  }
}

async function removeAtOnce(store: Store, bucket: string, keys: readonly string[]): Promise<void> {
  const objects = keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')
  const body = Buffer.from(
    `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${objects}</Delete>`,
  )
  const { bytes } = await store.client.document({
    method: 'POST',
    bucket: store.names.stored(bucket),
    query: { delete: '' },
    headers: {
      'content-type': 'application/xml',
      'content-md5': createHash('md5').update(body).digest('base64'),
    },
    body,
    idempotent: true,
  })
  const [failed] = childrenOf(readResult(bytes, 'DeleteResult'), 'Error').filter(
    (error) => childText(error, 'Code') !== 'NoSuchKey',
  )
  if (failed === undefined) return
  const [code, message] = [childText(failed, 'Code') ?? '', childText(failed, 'Message') ?? '']
  throw storeError({ status: 200, code, message, region: undefined })
}

async function removeSingly(store: Store, bucket: string, keys: readonly string[]): Promise<void> {
  const remaining = keys.values()
  const worker = async () => {
    for (const key of remaining) await deleteObject(store, { bucket, key })
  }
  await Promise.all(Array.from({ length: SINGLY_AT_ONCE }, worker))
}
