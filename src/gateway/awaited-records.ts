import { setTimeout as sleep } from 'node:timers/promises'
import type { CompletedPart } from './completed-parts.ts'
import type { Gateway } from './gateway.ts'
import type { UploadInit } from './upload-key-cache.ts'
import { type FoundPart, listRecords, type UploadName } from './upload-state.ts'

/** Time for the record of a part that a client names, and that may never have been uploaded. */
const PAUSES_MS = [100, 200, 400, 800]
/** Time for one of which it is known that it must be there. */
const LONG_PAUSES_MS = [1500, 2000, 3000, 5000]

/**
 * The records of an upload, among them those of the parts that a client names. Who names a part has had its ETag, so its record is there: a store
 * whose lists show it later is waited for a while, and longer if it holds the parts themselves.
 */
export async function awaitedRecords(
  gateway: Gateway,
  upload: UploadName,
  init: UploadInit,
  named: readonly CompletedPart[],
): Promise<readonly FoundPart[]> {
  let records = await listRecords(gateway, upload, init)
  if (gateway.storage.capabilities.listsWrites) return records
  const wait = async (pauses: readonly number[]) => {
    for (const pauseMs of pauses) {
      if (missing(records, named).length === 0) return
      await sleep(pauseMs)
      records = await listRecords(gateway, upload, init)
    }
  }
  await wait(PAUSES_MS)
  if (await isHeld(gateway, upload, missing(records, named))) await wait(LONG_PAUSES_MS)
  return records
}

function missing(records: readonly FoundPart[], named: readonly CompletedPart[]): readonly CompletedPart[] {
  const found = new Set(records.map(({ record }) => `${record.partNumber} ${record.etag}`))
  return named.filter(({ partNumber, etag }) => !found.has(`${partNumber} ${etag}`))
}

/** Whether the store itself has all of these parts; small ones it has not. */
async function isHeld(
  { storage }: Gateway,
  upload: UploadName,
  parts: readonly CompletedPart[],
): Promise<boolean> {
  for (const { partNumber, etag } of parts) {
    const page = await storage.listParts({ ...upload, partNumberMarker: partNumber - 1, maxParts: 1 })
    const [held] = page.parts
    if (held?.partNumber !== partNumber || held.etag !== etag) return false
  }
  return parts.length > 0
}
