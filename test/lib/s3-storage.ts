import { openS3Storage, type S3StorageOptions } from '../../src/storage/s3.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** Where an S3 server is, and whose requests it takes: the emulator, a gateway, or what a lane has started. */
export interface ServerAddress {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** The s3 store before that server, with its records in a bucket `records`. */
export function openStoreBefore(
  { endpoint, accessKeyId, secretAccessKey }: ServerAddress,
  more: Partial<S3StorageOptions> = {},
): Promise<Storage> {
  const credentials = { accessKeyId, secretAccessKey }
  return openS3Storage({
    endpoint,
    region: null,
    addressing: 'path',
    credentials,
    systemBucket: 'records',
    ...more,
  })
}
