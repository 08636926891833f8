import { resolve } from 'node:path'
import { checkTogether } from './check-together.ts'
import { buildCos, type CosConfig } from './cos-config.ts'
import type { FieldName } from './fields.ts'
import { buildKms, type KmsConfig } from './kms-config.ts'
import { readEnvironment } from './read-environment.ts'
import { readFile } from './read-file.ts'
import { buildS3, type S3Config } from './s3-config.ts'
import { Settings } from './settings.ts'

export type { KmsConfig } from './kms-config.ts'

/** Which key encrypts the new objects of some buckets, and which others their objects may be read under. */
export interface KeyRule {
  /** Bucket name; `*` stands for any characters. */
  readonly match: string
  readonly cmk: string
  readonly retired: readonly string[]
}

/** Whether objects of some buckets that nobody sealed are served. */
export interface PlaintextRule {
  readonly match: string
  readonly plaintext: 'reject' | 'read'
}

/** One frozen, checked configuration: what every process of the deployment starts from. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number }
  /** Absolute, as the keyring's path is. */
  readonly dataDir: string
  readonly workers: number
  readonly region: string | null
  readonly domains: readonly string[]
  readonly signatureV2: 'refuse' | 'accept'
  /** Null until the first start has made them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  readonly systemBucket: string
  readonly realm: string | null
  readonly store: 'fs' | 's3' | 'cos'
  /** Null unless it is that store. */
  readonly s3: S3Config | null
  readonly cos: CosConfig | null
  readonly kms: KmsConfig
  /** First match wins; a bucket without a rule uses the CMK of the default key service and, if that is a keyring, trusts its other keys. */
  readonly buckets: readonly KeyRule[]
  /** First match wins; a bucket without a rule rejects plaintext. */
  readonly plaintext: readonly PlaintextRule[]
  readonly epoch: {
    readonly maxAgeMs: number
    readonly maxObjects: number
    readonly maxBytes: number
    readonly pollMs: number
  }
  readonly decryptCache: { readonly maxEntries: number; readonly maxAgeMs: number }
  readonly limits: {
    readonly maxHeaderBytes: number
    readonly headersTimeoutMs: number
    readonly idleTimeoutMs: number
    readonly maxConnections: number
  }
  readonly shutdownGraceMs: number
  readonly logLevel: string
}

/** All mistakes of a configuration at once, each with where it is and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly string[]
  constructor(mistakes: readonly string[]) {
    super(
      `The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    )
    this.mistakes = mistakes
  }
}

/** Reads file and environment; a variable wins over the file. Throws ConfigError. */
export function loadConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  return build(loadSettings(file, environment))
}

/** What `loadConfig` builds from, for those who want to know where a value is from. Throws ConfigError. */
export function loadSettings(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const settings = new Settings()
  if (file !== undefined) readFile(file, settings)
  readEnvironment(environment, settings)
  checkTogether(settings)
  if (settings.mistakes.length > 0) throw new ConfigError(settings.mistakes)
  return settings
}

function build({ values, rules }: Settings): Config {
  const text = (name: FieldName) => values.get(name) as string
  const number = (name: FieldName) => values.get(name) as number
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text('listen')) ?? []
  return freeze({
    listen: { host: host.replace(/^\[|\]$/g, ''), port: Number(port) },
    // Whole paths, so that every message names a place that can be found from anywhere.
    dataDir: resolve(text('dataDir')),
    workers: number('workers'),
    region: values.get('region') as string | null,
    domains: values.get('domains') as readonly string[],
    signatureV2: values.get('signatureV2') as Config['signatureV2'],
    credentials:
      values.get('accessKeyId') === null
        ? null
        : { accessKeyId: text('accessKeyId'), secretAccessKey: text('secretAccessKey') },
    systemBucket: text('systemBucket'),
    realm: values.get('realm') as string | null,
    store: text('store') as Config['store'],
    s3: buildS3(values),
    cos: buildCos(values),
    kms: buildKms(values),
    buckets: rules.flatMap(({ match, cmk, retired = [] }) =>
      cmk === undefined ? [] : [{ match, cmk, retired: [...retired] }],
    ),
    plaintext: rules.flatMap(({ match, plaintext }) =>
      plaintext === undefined ? [] : [{ match, plaintext }],
    ),
    epoch: {
      maxAgeMs: number('epoch.maxAgeMs'),
      maxObjects: number('epoch.maxObjects'),
      maxBytes: number('epoch.maxBytes'),
      pollMs: number('epoch.pollMs'),
    },
    decryptCache: {
      maxEntries: number('decryptCache.maxEntries'),
      maxAgeMs: number('decryptCache.maxAgeMs'),
    },
    limits: {
      maxHeaderBytes: number('limits.maxHeaderBytes'),
      headersTimeoutMs: number('limits.headersTimeoutMs'),
      idleTimeoutMs: number('limits.idleTimeoutMs'),
      maxConnections: number('limits.maxConnections'),
    },
    shutdownGraceMs: number('shutdownGraceMs'),
    logLevel: text('logLevel'),
  })
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}
