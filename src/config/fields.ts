import { COS_FIELDS } from './cos-fields.ts'
import { type Field, PATH, PATH_FORM } from './field.ts'
import { KMS_FIELDS } from './kms-fields.ts'
import { S3_FIELDS } from './s3-fields.ts'

const PORT = '(?:[0-5]?\\d{1,4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])'
const ADDRESS = new RegExp(`^(?:\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]+):${PORT}$`)
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/**
 * Every field of the configuration, once: its path in the YAML file, its environment variable, default, bounds and meaning.
 * An environment variable wins over the file. Sizes are bytes and times are milliseconds, as their names say.
 */
export const FIELDS = {
  listen: {
    type: 'string',
    env: 'SEALGATE_LISTEN',
    default: '127.0.0.1:9000',
    pattern: ADDRESS,
    form: 'host:port, such as 127.0.0.1:9000 or [::1]:9000',
    hint: 'host:port where S3 clients connect',
  },
  dataDir: {
    type: 'string',
    env: 'SEALGATE_DATA_DIR',
    default: './data',
    pattern: PATH,
    form: PATH_FORM,
    hint: 'directory of the fs store, the keyring and the credentials',
  },
  workers: {
    type: 'integer',
    env: 'SEALGATE_WORKERS',
    default: 1,
    min: 1,
    max: 64,
    hint: 'number of processes behind the one port',
  },
  region: {
    type: 'string',
    env: 'SEALGATE_REGION',
    default: null,
    pattern: /^[a-z0-9-]{1,32}$/,
    form: 'a name such as eu-central-1',
    hint: 'the region that clients must sign for; any is accepted unless it is set, and us-east-1 is shown',
  },
  domains: {
    type: 'list',
    env: 'SEALGATE_DOMAINS',
    default: [],
    pattern: /^[a-z0-9.-]+$/,
    form: 'a list of domains, such as [s3.example.com]',
    hint: 'base domains of virtual-host style addresses, lower case, such as s3.example.com',
  },
  signatureV2: {
    type: 'choice',
    env: 'SEALGATE_SIGNATURE_V2',
    default: 'refuse',
    values: ['refuse', 'accept'],
    hint: 'whether requests with Signature Version 2 (SHA-1, no hash of the body) are taken from clients that know no other: accept or refuse',
  },
  accessKeyId: {
    type: 'string',
    env: 'SEALGATE_ACCESS_KEY_ID',
    default: null,
    pattern: /^[A-Za-z0-9_.-]{3,128}$/,
    form: 'a text of the form that follows',
    hint: 'access key id of the clients, 3 to 128 letters, digits, "_", "." or "-"',
  },
  secretAccessKey: {
    type: 'string',
    env: 'SEALGATE_SECRET_ACCESS_KEY',
    default: null,
    pattern: /^[!-~]{16,256}$/,
    secret: true,
    form: 'a text of the form that follows',
    hint: 'secret access key of the clients, at least 16 printable characters',
  },
  store: {
    type: 'choice',
    env: 'SEALGATE_STORE',
    default: 'fs',
    values: ['fs', 's3', 'cos'],
    hint: 'the storage behind the gateway: the data directory (fs), an S3 server (s3) or Tencent COS (cos)',
  },
  systemBucket: {
    type: 'string',
    env: 'SEALGATE_SYSTEM_BUCKET',
    default: 'sealgate-system',
    pattern: BUCKET,
    form: 'a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens',
    hint: "bucket of the deployment's own records, never visible to clients",
  },
  realm: {
    type: 'string',
    env: 'SEALGATE_REALM',
    default: null,
    pattern: /^[!-~]{1,128}$/,
    form: 'the id of a deployment',
    hint: 'the id of the deployment, which the record in its store must bear; without it that of the keyring, or of the store',
  },
  ...S3_FIELDS,
  ...COS_FIELDS,
  ...KMS_FIELDS,
  'epoch.maxAgeMs': {
    type: 'integer',
    env: 'SEALGATE_EPOCH_MAX_AGE_MS',
    default: 3_600_000,
    min: 1000,
    max: 30 * 86_400_000,
    hint: 'how long a data key encrypts new objects, in milliseconds',
  },
  'epoch.maxObjects': {
    type: 'integer',
    env: 'SEALGATE_EPOCH_MAX_OBJECTS',
    default: 1_000_000,
    min: 1,
    max: 2 ** 32,
    hint: 'how many objects a data key encrypts',
  },
  'epoch.maxBytes': {
    type: 'integer',
    env: 'SEALGATE_EPOCH_MAX_BYTES',
    default: 2 ** 40,
    min: 1,
    max: 2 ** 50,
    hint: "how many bytes a data key's objects have together",
  },
  'epoch.pollMs': {
    type: 'integer',
    env: 'SEALGATE_EPOCH_POLL_MS',
    default: 30_000,
    min: 100,
    max: 3_600_000,
    hint: 'how often a gateway looks for an order to rotate, in milliseconds',
  },
  'decryptCache.maxEntries': {
    type: 'integer',
    env: 'SEALGATE_DECRYPT_CACHE_MAX_ENTRIES',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    hint: 'how many opened data keys a process keeps; one that made room for others is a call to the key service when it is met again',
  },
  'decryptCache.maxAgeMs': {
    type: 'integer',
    env: 'SEALGATE_DECRYPT_CACHE_MAX_AGE_MS',
    default: 3_600_000,
    min: 1000,
    max: 30 * 86_400_000,
    hint: 'how long an opened data key is used before the key service is asked for it again, in milliseconds',
  },
  'limits.maxHeaderBytes': {
    type: 'integer',
    env: 'SEALGATE_MAX_HEADER_BYTES',
    default: 32_768,
    min: 8192,
    max: 1_048_576,
    hint: 'largest request head, in bytes',
  },
  'limits.headersTimeoutMs': {
    type: 'integer',
    env: 'SEALGATE_HEADERS_TIMEOUT_MS',
    default: 30_000,
    min: 1000,
    max: 600_000,
    hint: 'time for a request head to arrive, in milliseconds',
  },
  'limits.idleTimeoutMs': {
    type: 'integer',
    env: 'SEALGATE_IDLE_TIMEOUT_MS',
    default: 60_000,
    min: 1000,
    max: 3_600_000,
    hint: 'how long a connection may be silent, in milliseconds',
  },
  'limits.maxConnections': {
    type: 'integer',
    env: 'SEALGATE_MAX_CONNECTIONS',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    hint: 'open connections of a process',
  },
  shutdownGraceMs: {
    type: 'integer',
    env: 'SEALGATE_SHUTDOWN_GRACE_MS',
    default: 30_000,
    min: 0,
    max: 3_600_000,
    hint: 'how long requests under way may take to end at shutdown, in milliseconds',
  },
  logLevel: {
    type: 'choice',
    env: 'SEALGATE_LOG_LEVEL',
    default: 'warn',
    values: ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
    hint: 'info logs a line for each request',
  },
} as const satisfies Readonly<Record<string, Field>>

export type FieldName = keyof typeof FIELDS
