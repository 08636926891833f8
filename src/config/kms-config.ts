import { resolve } from 'node:path'
import type { FieldName } from './fields.ts'
import type { Settings } from './settings.ts'

/** Which key services there are; one that is null is not configured. The local one is there if its keyring is. */
export interface KmsConfig {
  /** The one of buckets without a rule, and of names that do not say theirs. */
  readonly provider: 'local' | 'tencent' | 'aws' | 'vault'
  readonly dataKeys: 'kms' | 'local'
  readonly graceMs: number
  readonly timeoutMs: number
  readonly keyring: string | null
  /** Of the keyring. */
  readonly passphrase: { readonly value: string } | { readonly file: string } | null
  readonly tencent: {
    readonly region: string
    readonly keyId: string | null
    readonly endpoint: string | null
    readonly credentials: { readonly secretId: string; readonly secretKey: string } | null
  } | null
  readonly aws: {
    readonly region: string
    readonly keyId: string | null
    readonly endpoint: string | null
    readonly plainHttp: 'loopback' | 'anywhere'
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  } | null
  readonly vault: {
    readonly address: string
    readonly mount: string
    readonly namespace: string | null
    readonly key: string | null
    readonly caFile: string | null
    readonly auth: VaultAuthConfig
  } | null
}

export type VaultAuthConfig =
  | { readonly method: 'token'; readonly token: string }
  | { readonly method: 'token-file'; readonly file: string }
  | {
      readonly method: 'approle'
      readonly mount: string
      readonly roleId: string
      readonly secretId: { readonly value: string } | { readonly file: string }
    }
  | {
      readonly method: 'kubernetes'
      readonly mount: string
      readonly role: string
      readonly tokenFile: string
    }

export function buildKms(values: Settings['values']): KmsConfig {
  const text = (name: FieldName) => (values.get(name) ?? null) as string | null
  const path = (name: FieldName) => {
    const value = text(name)
    return value === null ? null : resolve(value)
  }
  return {
    provider: text('kms.provider') as KmsConfig['provider'],
    dataKeys: text('kms.dataKeys') as KmsConfig['dataKeys'],
    graceMs: values.get('kms.graceMs') as number,
    timeoutMs: values.get('kms.timeoutMs') as number,
    keyring: path('kms.keyring'),
    passphrase: secret(text('kms.passphrase'), path('kms.passphraseFile')),
    tencent: tencent(text),
    aws: aws(text),
    vault: vault(text, path),
  }
}

/** A secret that is given by itself or in a file; the file comes first. */
function secret(value: string | null, file: string | null): { value: string } | { file: string } | null {
  if (file !== null) return { file }
  return value === null ? null : { value }
}

type Text = (name: FieldName) => string | null

function tencent(text: Text): KmsConfig['tencent'] {
  const region = text('kms.tencent.region')
  const [secretId, secretKey] = [text('kms.tencent.secretId'), text('kms.tencent.secretKey')]
  if (region === null) return null
  return {
    region,
    keyId: text('kms.tencent.keyId'),
    endpoint: text('kms.tencent.endpoint'),
    credentials: secretId === null || secretKey === null ? null : { secretId, secretKey },
  }
}

function aws(text: Text): KmsConfig['aws'] {
  const region = text('kms.aws.region')
  const [accessKeyId, secretAccessKey] = [text('kms.aws.accessKeyId'), text('kms.aws.secretAccessKey')]
  if (region === null) return null
  return {
    region,
    keyId: text('kms.aws.keyId'),
    endpoint: text('kms.aws.endpoint'),
    plainHttp: text('kms.aws.plainHttp') === 'anywhere' ? 'anywhere' : 'loopback',
    credentials: accessKeyId === null || secretAccessKey === null ? null : { accessKeyId, secretAccessKey },
  }
}

function vault(text: Text, path: Text): KmsConfig['vault'] {
  const address = text('kms.vault.address')
  if (address === null) return null
  return {
    address,
    mount: text('kms.vault.mount') ?? '',
    namespace: text('kms.vault.namespace'),
    key: text('kms.vault.key'),
    caFile: path('kms.vault.caFile'),
    auth: vaultAuth(text, path),
  }
}

function vaultAuth(text: Text, path: Text): VaultAuthConfig {
  const method = text('kms.vault.auth') ?? ''
  const mount = text('kms.vault.authMount') ?? method
  if (method === 'kubernetes')
    return { method, mount, role: text('kms.vault.role') ?? '', tokenFile: path('kms.vault.jwtFile') ?? '' }
  if (method === 'approle') {
    const secretId = secret(text('kms.vault.secretId'), path('kms.vault.secretIdFile')) ?? { value: '' }
    return { method, mount, roleId: text('kms.vault.roleId') ?? '', secretId }
  }
  const file = path('kms.vault.tokenFile')
  return file === null
    ? { method: 'token', token: text('kms.vault.token') ?? '' }
    : { method: 'token-file', file }
}
