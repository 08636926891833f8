import { NO_CONDITIONS } from '../capabilities.ts'
import { type S3Capabilities, UNPROBED } from '../s3/capabilities.ts'
import type { StoreClient } from '../s3/client.ts'
import { StoreRefusal } from '../s3/errors.ts'
import { type Facts, probe } from '../s3/probe.ts'
import type { Scratch } from '../s3/scratch.ts'

/** What COS documents of itself; to try it would prove nothing. */
const FACTS: Facts &
  Pick<S3Capabilities, 'listsWrites' | 'metadataBytes' | 'versionedConditions' | 'integrity'> = {
  // "When the uploaded part numbers are not consecutive … 400 InvalidPart."
  partGaps: false,
  pagesByToken: false,
  anyDelimiter: false,
  punctuation: false,
  // Lists are eventually consistent.
  listsWrites: false,
  metadataBytes: 2048,
  // x-cos-forbid-overwrite is void in buckets that have or had versions.
  versionedConditions: NO_CONDITIONS,
  integrity: null,
}

export const COS_UNPROBED: S3Capabilities = { ...UNPROBED, leadingSlash: false, ...FACTS }

/** What is left is tried, as on any other server. */
export async function probeCos(client: StoreClient, bucket: string): Promise<S3Capabilities> {
  const probed = await probe(client, bucket, async (scratch) => {
    await requireIntegrity(scratch)
    return null
  })
  return { ...probed, ...FACTS }
}

const SMALL = Buffer.from('probe')
const OTHER_MD5 = 'AAAAAAAAAAAAAAAAAAAAAA=='

/** A body that is not the one of its MD5 is refused, and of a body that is sent in a stream the CRC-64 is answered. */
async function requireIntegrity(scratch: Scratch): Promise<void> {
  const wrong = await scratch.ask('md5', {
    method: 'PUT',
    headers: { 'content-md5': OTHER_MD5 },
    body: SMALL,
  })
  if (wrong.status < 300)
    throw new StoreRefusal('the store takes a body that is not the one of its Content-MD5')
  const body = (async function* () {
    yield SMALL
  })()
  await scratch.ask('crc', { method: 'PUT', body: { size: SMALL.length, body } })
}
