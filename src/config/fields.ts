/**
 * Every field of the configuration, once: its path in the YAML file, its environment variable, default, bounds and meaning.
 * An environment variable wins over the file. Sizes are bytes and times are milliseconds, as their names say.
 */
export type FieldKind =
  | {
      readonly type: 'string'
      readonly pattern?: RegExp
      /** What a right value is, for "must be …". */
      readonly form: string
      readonly hint: string
      readonly secret?: boolean
    }
  | { readonly type: 'integer'; readonly min: number; readonly max: number; readonly hint: string }
  | { readonly type: 'choice'; readonly values: readonly string[]; readonly hint: string }
  | { readonly type: 'list'; readonly pattern: RegExp; readonly form: string; readonly hint: string }

export type Field = FieldKind & {
  readonly env: string
  readonly default: string | number | readonly string[] | null
}

const PORT = '(?:[0-5]?\\d{1,4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])'
const ADDRESS = new RegExp(`^(?:\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]+):${PORT}$`)
/** A shell replaces "~", a file does not: the directory would be one of that name. */
const PATH = /^(?!~)/
const PATH_FORM = 'a path (without "~", which only a shell knows)'
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

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
    values: ['fs'],
    hint: 'the storage behind the gateway; this version has fs',
  },
  systemBucket: {
    type: 'string',
    env: 'SEALGATE_SYSTEM_BUCKET',
    default: 'sealgate-system',
    pattern: BUCKET,
    form: 'a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens',
    hint: "bucket of the deployment's own records, never visible to clients",
  },
  'kms.provider': {
    type: 'choice',
    env: 'SEALGATE_KMS',
    default: 'local',
    values: ['local', 'tencent'],
    hint: 'the default key service, of buckets without a rule: a keyring file (local) or Tencent Cloud KMS (tencent)',
  },
  'kms.dataKeys': {
    type: 'choice',
    env: 'SEALGATE_KMS_DATA_KEYS',
    default: 'kms',
    values: ['kms', 'local'],
    hint: 'where data keys are made: kms asks the key service for them, local makes them here and has them wrapped',
  },
  'kms.graceMs': {
    type: 'integer',
    env: 'SEALGATE_KMS_GRACE_MS',
    default: 900_000,
    min: 0,
    max: 7 * 86_400_000,
    hint: 'how long keys in memory go on beyond their age while the key service does not answer, in milliseconds',
  },
  'kms.timeoutMs': {
    type: 'integer',
    env: 'SEALGATE_KMS_TIMEOUT_MS',
    default: 5000,
    min: 100,
    max: 60_000,
    hint: 'time for one answer of the key service, in milliseconds',
  },
  'kms.keyring': {
    type: 'string',
    env: 'SEALGATE_KEYRING',
    default: null,
    pattern: PATH,
    form: PATH_FORM,
    hint: 'keyring file of the local key service; default: keyring.json in the data directory',
  },
  'kms.tencent.region': {
    type: 'string',
    env: 'SEALGATE_TENCENT_REGION',
    default: null,
    pattern: /^[a-z0-9-]{1,64}$/,
    form: 'a region, such as ap-guangzhou',
    hint: 'region of the KMS; with it Tencent Cloud KMS is there, as the default or for rules',
  },
  'kms.tencent.keyId': {
    type: 'string',
    env: 'SEALGATE_TENCENT_KMS_KEY_ID',
    default: null,
    pattern: /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|alias\/[A-Za-z0-9_-]{1,60})$/,
    form: 'the id of a key, or alias/NAME',
    hint: 'the CMK of buckets that no rule speaks of: its id, or alias/NAME',
  },
  'kms.tencent.endpoint': {
    type: 'string',
    env: 'SEALGATE_TENCENT_KMS_ENDPOINT',
    default: null,
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(:\d{1,5})?$/,
    form: 'an address without a path, such as https://kms.internal.tencentcloudapi.com',
    hint: 'address of the KMS; default: https://kms.REGION.tencentcloudapi.com',
  },
  'kms.tencent.secretId': {
    type: 'string',
    env: 'SEALGATE_TENCENT_SECRET_ID',
    default: null,
    pattern: /^[!-~]{1,128}$/,
    form: 'a secret id',
    hint: 'credentials for the KMS; without them TENCENTCLOUD_SECRET_ID, a profile file, or the role of the machine or pod',
  },
  'kms.tencent.secretKey': {
    type: 'string',
    env: 'SEALGATE_TENCENT_SECRET_KEY',
    default: null,
    pattern: /^[!-~]{1,256}$/,
    form: 'a secret key',
    secret: true,
    hint: 'secret key of that secret id',
  },
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
