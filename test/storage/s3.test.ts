import { openS3Storage } from '../../src/storage/s3.ts'
import { storageConformance } from '../conformance/storage.ts'
import { startGateway } from '../lib/gateway.ts'

// Sealgate itself is an S3 server: here it is the store behind the store.
storageConformance(
  's3, before a Sealgate',
  async () => {
    const backend = await startGateway()
    const { endpoint, accessKeyId, secretAccessKey } = backend
    const storage = await openS3Storage({
      endpoint,
      region: null,
      addressing: 'path',
      credentials: { accessKeyId, secretAccessKey },
      systemBucket: 'records',
    })
    return {
      storage,
      async close() {
        await storage.close()
        await backend.close()
      },
    }
  },
  {
    completeRepeats: 'a gateway keeps the answers of uploads for a day, so that a lost one can be had again',
    plainEtagSuffix: 'the server is a gateway, and these are its ETags for clients',
  },
)
