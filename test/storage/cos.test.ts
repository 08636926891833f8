import { openCosStorage } from '../../src/storage/cos.ts'
import { storageConformance } from '../conformance/storage.ts'
import { startCosServer } from '../emulators/cos-server.ts'

async function open() {
  // A short one leaves room for the names of the suites: a host has 60 characters.
  const server = await startCosServer({ appid: '125' })
  const { appid, region, address, secretId, secretKey } = server
  const storage = await openCosStorage({
    appId: appid,
    region,
    domain: 'http://{bucket}.cos.{region}.myqcloud.com',
    connectTo: address,
    credentials: { secretId, secretKey },
    systemBucket: 'records',
  })
  const close = async () => {
    await storage.close()
    await server.close()
  }
  return { storage, close }
}

storageConformance('cos', open, {
  equalBytesEqualEtag: 'its ETag is the MD5 of the bytes',
  refusedNames: {
    reason: 'keys have at most 850 bytes, and begin with neither slash nor backslash',
    refuses: (key) => Buffer.byteLength(key) > 850 || /^[/\\]/.test(key),
  },
  deleteMarkerWithoutTime: '405 without Last-Modified',
  versionsIgnoreConditions: 'x-cos-forbid-overwrite has no effect in a bucket that has or had versions',
  deletesMadeUpVersions: 'to delete what is not there succeeds',
})
