import { isLoopback } from '../base/loopback.ts'
import { checkRules } from './check-rules.ts'
import { checkCos } from './cos-config.ts'
import { FIELDS, type FieldName } from './fields.ts'
import { checkS3 } from './s3-config.ts'
import type { Settings } from './settings.ts'

/** Fields that only make sense together: either all of them or none. */
const TOGETHER: readonly (readonly [FieldName, FieldName])[] = [
  ['accessKeyId', 'secretAccessKey'],
  ['s3.accessKeyId', 's3.secretAccessKey'],
  ['s3.clientCertFile', 's3.clientKeyFile'],
  ['cos.secretId', 'cos.secretKey'],
  ['kms.tencent.secretId', 'kms.tencent.secretKey'],
  ['kms.aws.accessKeyId', 'kms.aws.secretAccessKey'],
]

/** The section of each key service that has one: what it cannot do without, and what it needs as the default one. */
const SECTIONS: Readonly<Record<string, { readonly needed: FieldName; readonly asDefault: FieldName }>> = {
  tencent: { needed: 'kms.tencent.region', asDefault: 'kms.tencent.keyId' },
  aws: { needed: 'kms.aws.region', asDefault: 'kms.aws.keyId' },
  vault: { needed: 'kms.vault.address', asDefault: 'kms.vault.key' },
}

/** What each way to sign in to Vault needs: one of each group. */
const VAULT_AUTH: Readonly<Record<string, readonly (readonly FieldName[])[]>> = {
  token: [['kms.vault.token', 'kms.vault.tokenFile']],
  approle: [['kms.vault.roleId'], ['kms.vault.secretId', 'kms.vault.secretIdFile']],
  kubernetes: [['kms.vault.role']],
}

/** Where each key service is, and where plain HTTP to it may lead. */
const ADDRESSES: readonly (readonly [FieldName, FieldName])[] = [
  ['kms.tencent.endpoint', 'kms.tencent.plainHttp'],
  ['kms.aws.endpoint', 'kms.aws.plainHttp'],
  ['kms.vault.address', 'kms.vault.plainHttp'],
]

/** Adds the mistakes that no field has by itself. */
export function checkTogether(settings: Settings): void {
  const { origins, values } = settings
  for (const [one, other] of TOGETHER) {
    if (origins.has(one) !== origins.has(other))
      settings.mistakes.push(
        `${one}, ${other}: set both (${FIELDS[one].env} and ${FIELDS[other].env}) or neither`,
      )
  }
  for (const [provider, { needed, asDefault }] of Object.entries(SECTIONS)) {
    const isDefault = values.get('kms.provider') === provider
    // A field that says its default begins nothing: a printed configuration has all of them.
    const begun = [...values].find(
      ([name, value]) => name.startsWith(`kms.${provider}.`) && value !== FIELDS[name].default,
    )?.[0]
    if ((isDefault || begun !== undefined) && !origins.has(needed))
      missing(settings, needed, isDefault ? `kms.provider ${provider}` : begun)
    if (isDefault && !origins.has(asDefault)) missing(settings, asDefault, `kms.provider ${provider}`)
  }
  checkStoreIsNamed(settings)
  checkS3(settings)
  checkCos(settings)
  checkRules(settings)
  checkPlainHttp(settings)
  if (origins.has('kms.vault.address')) checkVaultAuth(settings)
}

/** Who describes a server and forgets to name it as the store would have all objects in the data directory. */
function checkStoreIsNamed({ origins, mistakes }: Settings): void {
  if (origins.has('store')) return
  for (const store of ['s3', 'cos']) {
    const set = [...origins.keys()].find((name) => name.startsWith(`${store}.`))
    if (set === undefined) continue
    mistakes.push(
      `store: must be named, as ${set} is set: store: ${store} (${FIELDS.store.env}=${store}) for that server, or store: fs for the data directory all the same`,
    )
  }
}

/** Data keys and tokens are as good as the plaintext. */
function checkPlainHttp({ values, mistakes }: Settings): void {
  for (const [address, plainHttp] of ADDRESSES) {
    const url = String(values.get(address) ?? '')
    if (!url.startsWith('http:') || isLoopback(url) || values.get(plainHttp) === 'anywhere') continue
    mistakes.push(
      `${address} (${FIELDS[address].env}): ${url} would take data keys and credentials over the network in the clear; use https://, or set ${plainHttp} to anywhere (${FIELDS[plainHttp].env}) if something else protects the way, such as a mesh`,
    )
  }
}

function checkVaultAuth({ values, origins, mistakes }: Settings): void {
  const auth = String(values.get('kms.vault.auth'))
  for (const fields of VAULT_AUTH[auth] ?? []) {
    if (fields.some((name) => origins.has(name))) continue
    const named = fields.map((name) => `${name} (${FIELDS[name].env})`).join(' or ')
    mistakes.push(`${named}: must be set for kms.vault.auth ${auth}`)
  }
}

function missing({ mistakes }: Settings, name: FieldName, because: string | undefined): void {
  mistakes.push(`${name}: must be set for ${because} (${FIELDS[name].env}); ${FIELDS[name].hint}`)
}
