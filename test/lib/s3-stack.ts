import type { S3Client } from '@aws-sdk/client-s3'
import { type S3Server, type S3ServerOptions, startS3Server } from '../emulators/s3-server.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts'
import { realStore } from './real-store.ts'
import { openStoreBefore } from './s3-storage.ts'

/** A gateway before an S3 server whose buckets have other names than clients use. */
export interface S3Stack {
  readonly gateway: TestGateway
  readonly s3: S3Client
  /** Null where the lane's real server is the store. */
  readonly server: S3Server | null
  close(): Promise<void>
}

/** Before the emulator, or the real server of the lane. */
export async function startS3Stack(
  options: S3ServerOptions = {},
  more: TestGatewayOptions = {},
): Promise<S3Stack> {
  if (realStore() !== null) {
    const gateway = await startGateway(more)
    return { gateway, s3: gateway.client(), server: null, close: () => gateway.close() }
  }
  return startEmulatedStack(options, more)
}

export async function startEmulatedStack(
  options: S3ServerOptions = {},
  more: TestGatewayOptions = {},
): Promise<S3Stack & { readonly server: S3Server }> {
  const server = await startS3Server(options)
  const store = await openStoreBefore(server, { systemBucket: 'sealgate-system', bucketPrefix: 'acme-' })
  const gateway = await startGateway({ store, ...more })
  const close = async () => {
    await gateway.close()
    await server.close()
  }
  return { gateway, s3: gateway.client(), server, close }
}
