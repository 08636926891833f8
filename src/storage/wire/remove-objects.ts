import { createHash } from 'node:crypto'
import { childrenOf, childText, xmlElement } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { isError, type SealgateError } from '../../errors.ts'
import { readResult } from './documents.ts'
import { badAnswer, storeError } from './errors.ts'
import { deleteObject } from './objects.ts'
import { type Store, stored } from './store.ts'

/** S3's most for one DeleteObjects. */
const AT_ONCE = 1000
/** Where the server has no DeleteObjects. */
const SINGLY_AT_ONCE = 32
/** Names that every server reads in a document as they are: no control characters, and no blanks at an end. */
const LISTABLE = /^(?![\s])[^\p{Cc}\ufffe\uffff]+(?<![\s])$/u

type Failures = Map<string, SealgateError>

/** Removes objects of a bucket without versions, 1000 by one call; singly where the server does not know how. Each key stands for itself. */
export async function removeObjects(
  store: Store,
  bucket: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, SealgateError>> {
  const failures: Failures = new Map()
  const listable =
    keys.length < 2 ? [] : keys.filter((key) => LISTABLE.test(key) && isTaken(store, bucket, key))
  const listed = new Set(listable)
  for (let at = 0; at < listable.length; at += AT_ONCE)
    await removeListed(store, bucket, listable.slice(at, at + AT_ONCE), failures)
  const others = keys.filter((key) => !listed.has(key))
  await removeSingly(store, bucket, others, failures)
  return failures
}

/** A name that the server would take for another is refused by the call that is about it alone. */
function isTaken(store: Store, bucket: string, key: string): boolean {
  try {
    stored(store, { bucket, key })
    return true
  } catch (error) {
    if (isError(error)) return false
    throw error
  }
}

async function removeListed(
  store: Store,
  bucket: string,
  keys: readonly string[],
  failures: Failures,
): Promise<void> {
  try {
    await removeAtOnce(store, bucket, keys, failures)
  } catch (error) {
    if (!isError(error)) throw error
    if (isError(error, 'NotImplemented', 'MethodNotAllowed', 'InternalError'))
      return removeSingly(store, bucket, keys, failures)
    for (const key of keys) failures.set(key, error)
  }
}

async function removeAtOnce(
  store: Store,
  bucket: string,
  keys: readonly string[],
  failures: Failures,
): Promise<void> {
  const objects = keys.map((key) => xmlElement('Object', [xmlElement('Key', key)]))
  const body = Buffer.from(writeXml(xmlElement('Delete', [xmlElement('Quiet', 'true'), ...objects])))
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
  const sent = new Set(keys)
  for (const element of childrenOf(readResult(bytes, 'DeleteResult'), 'Error')) {
    const [key, code] = [childText(element, 'Key') ?? '', childText(element, 'Code') ?? '']
    if (!sent.has(key)) throw badAnswer('a deletion that failed, of a key that was not named')
    if (code === 'NoSuchKey') continue
    const message = childText(element, 'Message') ?? ''
    failures.set(key, storeError({ status: 200, code, message, region: undefined }))
  }
}

async function removeSingly(
  store: Store,
  bucket: string,
  keys: readonly string[],
  failures: Failures,
): Promise<void> {
  const remaining = keys.values()
  const worker = async () => {
    for (const key of remaining) {
      try {
        await deleteObject(store, { bucket, key })
      } catch (error) {
        if (!isError(error)) throw error
        failures.set(key, error)
      }
    }
  }
  await Promise.all(Array.from({ length: SINGLY_AT_ONCE }, worker))
}
