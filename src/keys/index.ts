export { bucketPattern } from './bucket-pattern.ts'
export { DataKeys, type DataKeysOptions } from './data-keys.ts'
export type { WrappedDataKey } from './decrypting-keys.ts'
export type { DataKey } from './encrypting-keys.ts'
export { allowsCmk, type BucketCmks, type KeyPolicy, type KeyRule, keyPolicy } from './key-policy.ts'
export type { KeyRecords } from './key-records.ts'
export { KeyRing, RING_PREFIX, RingError } from './key-ring.ts'
export { backupRecords, checkBackup, exportRing, importRing } from './key-ring-backup.ts'
export { type RewrapReport, rewrap } from './key-ring-rewrap.ts'
export type { Provider } from './kms/cmk-id.ts'
export { KeySetupError } from './kms/key-setup-error.ts'
export { type Keyring, KeyringError } from './kms/keyring.ts'
export {
  addKey,
  createKeyring,
  loadKeyring,
  makeCurrent,
  type Passphrase,
  protectKeyring,
  removeKey,
} from './kms/keyring-file.ts'
export { type EncryptionContext, type Kms, type ReEncryptingKms, WrappedKeyError } from './kms/kms.ts'
export { KmsError, type KmsFault } from './kms/kms-error.ts'
export { LocalKms } from './kms/local.ts'
export { type KmsOptions, type OpenedKms, openKms } from './open-kms.ts'
export { isRotatable, orderRotation, ROTATE_PREFIX, RotationWatch } from './rotation.ts'
export { type KeyTrial, tryKey } from './try-key.ts'
