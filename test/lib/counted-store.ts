import { randomBytes } from 'node:crypto'
import { S3Client } from '@aws-sdk/client-s3'
import type { Storage } from '../../src/storage/storage.ts'
import { type S3ServerOptions, startS3Server } from '../emulators/s3-server.ts'
import { startCountingProxy } from './counting-proxy.ts'
import { openRealStore, realServer } from './real-store.ts'
import { openStoreBefore, type ServerAddress } from './s3-storage.ts'

/** The s3 store before the emulator, or before the real server of the lane, with its calls counted where they arrive. */
export interface CountedStore {
  readonly store: Storage
  /** By which it is filled: beneath the wire of the emulator. */
  readonly fill: Storage
  /** A client of the server itself, which is not counted, and knows buckets by `bucketPrefix` and their name. */
  readonly behind: S3Client
  readonly bucketPrefix: string
  /** Names of the calls since the last `counted`, in their order. */
  counted(): string[]
  /** To be called when the gateway, which closes the store, is closed. */
  close(): Promise<void>
}

export async function openCountedStore(): Promise<CountedStore> {
  const real = realServer()
  return real === null ? openEmulatedStore() : openBehindProxy(real)
}

/** In the lanes too: for what a server must be made to do. */
export async function openEmulatedStore(options: S3ServerOptions = {}): Promise<CountedStore> {
  const server = await startS3Server(options)
  const store = await openStoreBefore(server)
  const behind = clientOf(server)
  const close = async () => {
    behind.destroy()
    await server.close()
  }
  return { store, fill: server.storage, behind, bucketPrefix: '', counted: () => server.counted(), close }
}

async function openBehindProxy(real: ServerAddress): Promise<CountedStore> {
  const proxy = await startCountingProxy(real.endpoint)
  const bucketPrefix = `t${randomBytes(5).toString('hex')}-`
  const names = { systemBucket: `${bucketPrefix}records`, bucketPrefix }
  const store = await openRealStore({ ...names, endpoint: proxy.endpoint })
  const behind = clientOf(real)
  const close = async () => {
    behind.destroy()
    await proxy.close()
  }
  return { store, fill: store, behind, bucketPrefix, counted: () => proxy.counted(), close }
}

/** Without the look at the object that a Complete needs where its answer has no ETag. */
export function withoutLook(calls: readonly string[]): string[] {
  return calls.filter((name, at) => name !== 'HeadObject' || calls[at - 1] !== 'CompleteMultipartUpload')
}

function clientOf({ endpoint, accessKeyId, secretAccessKey }: ServerAddress): S3Client {
  const credentials = { accessKeyId, secretAccessKey }
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
}
