import { NO_CONDITIONS } from '../capabilities.ts'
import { UNPROBED, type WireCapabilities } from '../wire/capabilities.ts'
import type { StoreClient } from '../wire/client.ts'
import { StoreRefusal } from '../wire/errors.ts'
import { probe } from '../wire/probe.ts'
import type { Scratch } from '../wire/scratch.ts'
import { COS_FACTS } from './facts.ts'

/** What COS's own interface is besides. */
const OWN_FACTS = {
  ...COS_FACTS,
  pagesByToken: false,
  // x-cos-forbid-overwrite is void in buckets that have or had versions.
  versionedConditions: NO_CONDITIONS,
  integrity: null,
}

export const COS_UNPROBED: WireCapabilities = { ...UNPROBED, leadingSlash: false, ...OWN_FACTS }

/** What is left is tried, as on any other server. */
export async function probeCos(client: StoreClient, bucket: string): Promise<WireCapabilities> {
  const probed = await probe(client, bucket, async (scratch) => {
    await requireIntegrity(scratch)
    return null
  })
  return { ...probed, ...OWN_FACTS }
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
