import { readFileSync, statSync } from 'node:fs'
import { StartupError } from '../app.ts'
import type { Config } from '../config/config.ts'
import { allowsCmk, type KeyPolicy } from '../keys/index.ts'
import { type OfflineKeys, type OfflineOptions, openOfflineKeys } from '../offline.ts'
import { decodeEnvelope, type RecoveryKeys } from '../recovery/open-sealed.ts'
import type { RecoveryOptions } from './recovery-input.ts'

/** The keys for a downloaded object. */
export async function keysFor(
  config: Config,
  options: RecoveryOptions,
  envelope: string,
): Promise<RecoveryKeys & { close(): void }> {
  const { realm } = options
  if (realm !== undefined && needsNoService(envelope)) return { ...customerKeys(realm, options), close() {} }
  const opened = await openOfflineKeys(config, offlineOptions(options))
  const close = () => {
    opened.keys.close()
    opened.kms.close()
  }
  return { ...recoveryKeys(opened, options), advice: withoutRing(opened.policy, options), close }
}

/** Realm and key ring, where they are given. */
export function offlineOptions({ realm, ring }: RecoveryOptions): OfflineOptions {
  return { realm, ringFile: ring }
}

/** What was sealed under a customer's own key; what does not decode is said later. */
function needsNoService(envelope: string): boolean {
  try {
    return decodeEnvelope({ name: '', envelope }).keySource === 'customer'
  } catch {
    return false
  }
}

function customerKeys(realm: string, { customerKey }: RecoveryOptions): RecoveryKeys {
  return {
    realm,
    customerKey: customerKey === undefined ? undefined : readCustomerKey(customerKey),
    allows: () => false,
    decrypting: () => Promise.reject(new TypeError('expected an envelope of a customer key')),
  }
}

/** A CMK that is gone since its objects left it opens nothing; the key ring does. */
function withoutRing(policy: KeyPolicy, { ring }: RecoveryOptions): NonNullable<RecoveryKeys['advice']> {
  if (ring !== undefined) return withRing(policy)
  return (bucket, cmkId) =>
    policy(bucket).cmk === cmkId
      ? ''
      : ' If the bucket has left this CMK by sealgate rewrap, give the backup of the key ring: --ring FILE.'
}

/** Records under CMKs that the bucket may not use are passed over, and lost ones are no error. */
function withRing(policy: KeyPolicy): NonNullable<RecoveryKeys['advice']> {
  return (bucket, cmkId) =>
    policy(bucket).cmk === cmkId
      ? ''
      : ' No record of the key ring opened it either. Name the CMK that the bucket was moved to as cmk or under retired in its rule; if the records are lost, bring them back by sealgate keys import.'
}

export function recoveryKeys(
  opened: Pick<OfflineKeys, 'realm' | 'policy' | 'keys'>,
  { customerKey }: RecoveryOptions,
): RecoveryKeys {
  return {
    customerKey: customerKey === undefined ? undefined : readCustomerKey(customerKey),
    realm: opened.realm,
    allows: (bucket, cmkId) => allowsCmk(opened.policy(bucket), cmkId),
    decrypting: (bucket, wrapped) => opened.keys.decrypting(bucket, wrapped),
    advice: withRing(opened.policy),
  }
}

/** Clients have their key as 32 bytes, or as base64 in the way that it stands in the header. */
function readCustomerKey(path: string): Buffer {
  const bytes = statSync(path).size > 64 ? Buffer.alloc(0) : readFileSync(path)
  if (bytes.length === 32) return bytes
  const text = bytes.toString('latin1').trim()
  const key = Buffer.from(text, 'base64')
  if (key.length === 32 && key.toString('base64') === text) return key
  throw new StartupError(`${path} holds no customer key: expected 32 bytes, or their base64.`)
}
