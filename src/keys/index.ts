export { type DataKey, DataKeys, type DataKeysOptions, type WrappedDataKey } from './data-keys.ts'
export { createKeyring, type Keyring, KeyringError, loadKeyring } from './kms/keyring.ts'
export type { EncryptionContext, Kms } from './kms/kms.ts'
export { LocalKms } from './kms/local.ts'
