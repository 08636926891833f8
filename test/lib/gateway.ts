import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { systemKeyRecords } from '../../src/gateway/key-records.ts'
import { claimRealm } from '../../src/gateway/realm.ts'
import { createHttpServer } from '../../src/http/index.ts'
import {
  createKeyring,
  DataKeys,
  type DataKeysOptions,
  KeyRing,
  LocalKms,
  loadKeyring,
} from '../../src/keys/index.ts'
import { createS3Handler } from '../../src/s3/handler.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { openRealStore, realStore } from './real-store.ts'

/** A whole gateway inside this process: real socket, real store in a directory of its own, real keyring. */
export interface TestGateway {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly directory: string
  readonly gateway: Gateway
  readonly storage: Storage
  /** How much of the name of a bucket is the lane's. */
  readonly bucketPrefix: string
  readonly outcomes: { operation: string; status: number; error?: string | undefined; cause?: unknown }[]
  client(config?: Partial<S3ClientConfig>): S3Client
  close(): Promise<void>
}

export interface TestGatewayOptions {
  /** Instead of the fs store, or that of the lane; the gateway closes it. */
  readonly store?: Storage
  /** Puts something between the gateway and its store (a counter, a liar). */
  readonly wrap?: (storage: Storage) => Storage
  /** Over the store of this one, which has to be closed after it. */
  readonly beside?: TestGateway
  /** Other keys than those of a keyring with one CMK. */
  readonly keys?: Partial<DataKeysOptions>
  /** Sub-resources that are handed on. */
  readonly forward?: readonly string[]
  readonly idleTimeoutMs?: number
  readonly headersTimeoutMs?: number
  readonly keepAliveMs?: number
  /** Buckets that serve what nobody sealed. */
  readonly readsPlaintext?: (bucket: string) => boolean
  readonly signatureV2?: boolean
  /** The clock of signatures. */
  readonly now?: () => number
  /** The clock of the gateway's records. */
  readonly gatewayNow?: () => number
}

/** The fs store, or that of the lane: then with buckets of its own. */
function openTestStore(directory: string, prefix: string): Promise<Storage> {
  if (realStore() === null) return openFilesystemStorage({ directory: join(directory, 'store') })
  return openRealStore({ systemBucket: `${prefix}of-the-store`, bucketPrefix: prefix })
}

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { beside } = options
  const directory = beside?.directory ?? (await mkdtemp(join(tmpdir(), 'sealgate-test-')))
  const bucketPrefix = realStore() === null ? '' : `t${randomBytes(5).toString('hex')}-`
  const opened = beside?.storage ?? options.store ?? (await openTestStore(directory, bucketPrefix))
  const storage = options.wrap?.(opened) ?? opened
  if (beside === undefined) createKeyring(join(directory, 'keyring.json'))
  const keyring = loadKeyring(join(directory, 'keyring.json'))
  const records = systemKeyRecords({ storage, systemBucket: 'sealgate-system' })
  const keys = new DataKeys({
    kms: new LocalKms(keyring),
    realm: keyring.realm,
    policy: () => ({ cmk: keyring.current, retired: [] }),
    ring: new KeyRing({ records, realm: keyring.realm }),
    admit: (bucket) => storage.headBucket(bucket),
    epoch: { maxAgeMs: 3_600_000, maxObjects: 1_000_000, maxBytes: 2 ** 40 },
    decryptCache: { maxEntries: 1000, maxAgeMs: 3_600_000 },
    ...options.keys,
  })
  await claimRealm(opened, 'sealgate-system', keyring.realm)
  const gateway = createGateway({
    storage,
    keys,
    realm: keyring.realm,
    systemBucket: 'sealgate-system',
    readsPlaintext: options.readsPlaintext ?? (() => false),
    forward: new Set(options.forward),
    ...(options.gatewayNow === undefined ? {} : { now: options.gatewayNow }),
  })
  const [accessKeyId, secretAccessKey] = ['AKIDEXAMPLE0000', 'a-secret-of-the-tests-0123456789']
  const outcomes: TestGateway['outcomes'] = []
  const handler = createS3Handler({
    gateway,
    credentials: (id) => (id === accessKeyId ? secretAccessKey : undefined),
    region: 'us-east-1',
    domains: ['s3.sealgate.test'],
    signatureV2: options.signatureV2 ?? false,
    onRequest: (outcome) => outcomes.push(outcome),
    ...(options.now === undefined ? {} : { now: options.now }),
    ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    ...(options.keepAliveMs === undefined ? {} : { keepAliveMs: options.keepAliveMs }),
  })
  const server = createHttpServer({
    handler,
    limits: {
      maxHeaderBytes: 32_768,
      headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
      idleTimeoutMs: 20_000,
      maxConnections: 1000,
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clients: S3Client[] = []
  return {
    endpoint,
    accessKeyId,
    secretAccessKey,
    directory,
    gateway,
    storage: opened,
    bucketPrefix,
    outcomes,
    client(config = {}) {
      const credentials = { accessKeyId, secretAccessKey }
      const client = new S3Client({
        endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials,
        maxAttempts: 1,
        ...config,
      })
      clients.push(client)
      return client
    },
    async close() {
      for (const client of clients) client.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      keys.close()
      if (beside !== undefined) return
      await opened.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
