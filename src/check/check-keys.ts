import { existsSync } from 'node:fs'
import { keyringPath, kmsOptions } from '../app.ts'
import type { Config } from '../config/config.ts'
import {
  bucketPattern,
  KeyringError,
  KeySetupError,
  KmsError,
  type KmsFault,
  keyPolicy,
  type OpenedKms,
  openKms,
  tryKey,
  WrappedKeyError,
} from '../keys/index.ts'
import type { Finding } from './finding.ts'

export interface KeysToCheck {
  readonly config: Config
  /** That the store was claimed for; null if it was not yet, or cannot be asked. */
  readonly realm: string | null
  /** Buckets of clients, to try keys as for them. */
  readonly buckets: readonly string[]
  /** The keys of this service alone. */
  readonly only?: 'vault'
}

/** Everything is opened as a gateway opens it, and each CMK is tried as for a bucket that it is configured for. */
export async function checkKeys(input: KeysToCheck): Promise<readonly Finding[]> {
  const { config, realm } = input
  const keyring = keyringPath(config)
  if (config.kms.provider === 'local' && !existsSync(keyring))
    return realm === null
      ? [finding('skipped', `There is no keyring ${keyring} yet: the first start makes it.`)]
      : [
          finding(
            'failed',
            `The keyring ${keyring} is missing, and the store holds data that it sealed.`,
            'Restore it from your backup, or name it by kms.keyring / SEALGATE_KEYRING.',
          ),
        ]
  let kms: OpenedKms
  try {
    kms = await openKms(kmsOptions(config), process.env)
  } catch (error) {
    return [failure(error, 'The key services cannot be opened')]
  }
  try {
    return [...realmFindings(kms, realm, config), ...(await tryAll(input, kms))]
  } finally {
    kms.close()
  }
}

function realmFindings(kms: OpenedKms, realm: string | null, config: Config): readonly Finding[] {
  if (kms.realm === null || realm === null || kms.realm === realm) return []
  const [said, hint] =
    config.realm === null
      ? ['the keyring', 'Use the keyring that belongs to the store, or another store.']
      : ['realm / SEALGATE_REALM', 'Name the realm that belongs to the store, or another store.']
  return [
    finding('failed', `The store belongs to the deployment ${realm}, and ${said} names ${kms.realm}.`, hint),
  ]
}

interface Trial {
  readonly cmk: string
  /** Whom it is for, in words. */
  readonly buckets: string
  /** Whose context is tried. */
  readonly bucket: string
  readonly retired: number
}

async function tryAll(
  { config, realm, buckets, only }: KeysToCheck,
  kms: OpenedKms,
): Promise<readonly Finding[]> {
  let trials: readonly Trial[]
  try {
    trials = await trialsOf(config, kms, buckets)
  } catch (error) {
    return [failure(error, 'The rules for buckets name a key that is none')]
  }
  const known = realm ?? kms.realm ?? 'sealgate-check'
  const asked = trials.filter(({ cmk }) => only === undefined || cmk.startsWith(`${only}:`))
  return Promise.all(
    asked.map(async ({ cmk, buckets: whose, bucket, retired }) => {
      try {
        await tryKey({ kms: kms.kms, cmkId: cmk, realm: known, bucket, source: config.kms.dataKeys })
        const others = retired === 0 ? '' : `; ${retired} retired ${retired === 1 ? 'key' : 'keys'} not tried`
        return finding(
          'ok',
          `${cmk} for ${whose}: a data key made and unwrapped, as for the bucket ${bucket}${others}.`,
        )
      } catch (error) {
        return failure(error, `${cmk} for ${whose} (tried as for the bucket ${bucket})`)
      }
    }),
  )
}

/** One for each rule, and one for what no rule speaks of. */
async function trialsOf(
  config: Config,
  kms: OpenedKms,
  buckets: readonly string[],
): Promise<readonly Trial[]> {
  const policy = await keyPolicy(config.buckets, kms)
  const rules = config.buckets.map(({ match }) => ({ match, matches: bucketPattern(match) }))
  const ruleOf = (bucket: string) => rules.find(({ matches }) => matches(bucket))
  const trials = rules.flatMap((rule) => {
    const bucket =
      buckets.find((name) => ruleOf(name) === rule) ?? rule.match.replaceAll('*', 'sealgate-check')
    // A rule that others come before is never asked.
    return ruleOf(bucket) === rule ? [{ buckets: `buckets ${rule.match}`, bucket }] : []
  })
  const unruled = buckets.find((name) => ruleOf(name) === undefined) ?? 'sealgate-check'
  if (ruleOf(unruled) === undefined)
    trials.push({ buckets: rules.length === 0 ? 'all buckets' : 'buckets without a rule', bucket: unruled })
  return trials.map((trial) => {
    const { cmk, retired } = policy(trial.bucket)
    return { ...trial, cmk, retired: retired.length }
  })
}

const HINTS: Readonly<Record<KmsFault, string>> = {
  throttled: 'The service limits the rate: try again, or raise its quota.',
  unavailable: 'Check its address, the network and TLS; kms.timeoutMs is the time for an answer.',
  denied: 'Grant the gateway what docs/operations.md lists for the service, and check its credentials.',
  disabled: 'Enable the key, or give the buckets another one.',
  'invalid-state':
    'The key is archived, or waits for its deletion or import: restore it, or give the buckets another one.',
  'not-found': 'Check the id or alias, the region and the account of the key.',
  'key-usage': 'Take a symmetric key for encryption, which takes a context.',
  protocol: 'What answers there is not this key service: check its address.',
}

function failure(error: unknown, what: string): Finding {
  if (error instanceof KmsError)
    return finding('failed', `${what}: ${sentence(error.message)}`, HINTS[error.fault])
  if (error instanceof KeySetupError || error instanceof KeyringError)
    return finding('failed', `${what}: ${sentence(error.message)}`)
  if (error instanceof WrappedKeyError)
    return finding('failed', `${what}: it does not unwrap what it has just wrapped.`, HINTS.protocol)
  throw error
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

function finding(status: Finding['status'], what: string, hint?: string): Finding {
  return { part: 'keys', status, what, ...(hint === undefined ? {} : { hint }) }
}
