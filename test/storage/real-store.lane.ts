import { randomBytes } from 'node:crypto'
import { storageConformance } from '../conformance/storage.ts'
import { openRealStore, realStore } from '../lib/real-store.ts'

const store = realStore()
if (store === null)
  throw new Error('TEST_STORE is not set: run this by npm run test:minio, test:ceph or test:versitygw')

storageConformance(
  `s3, before ${store.name},`,
  async () => {
    const storage = await openRealStore({ systemBucket: `records-${randomBytes(4).toString('hex')}` })
    return { storage, close: () => storage.close() }
  },
  store.differences,
)
