import { type CosStorageOptions, openCosStorage } from '../../src/storage/cos.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { Differences } from '../conformance/storage.ts'
import { type CosServer, type CosServerOptions, startCosServer } from '../emulators/cos-server.ts'

/** What Tencent COS does otherwise than the contract of a store says. */
export const COS_DIFFERENCES: Differences = {
  equalBytesEqualEtag: 'its ETag is the MD5 of the bytes',
  refusedNames: {
    reason: 'keys have at most 850 bytes, and begin with neither slash nor backslash',
    refuses: (key) => Buffer.byteLength(key) > 850 || /^[/\\]/.test(key),
  },
  deleteMarkerWithoutTime: '405 without Last-Modified',
  versionsIgnoreConditions: 'x-cos-forbid-overwrite has no effect in a bucket that has or had versions',
  deletesMadeUpVersions: 'to delete what is not there succeeds',
}

/** Short ones leave room for the names of tests' buckets: a host has 60 characters. */
export const SHORT = { appid: '125', region: 'cn' } as const

export const COS_DOMAIN = 'http://{bucket}.cos.{region}.myqcloud.com'

export type CosAt = Pick<CosServer, 'address' | 'appid' | 'region' | 'secretId' | 'secretKey'>

/** The store before an emulator: as to COS itself, but for where connections go. */
export function cosOptions(server: CosAt): Omit<CosStorageOptions, 'systemBucket'> {
  const { appid, region, address, secretId, secretKey } = server
  return {
    appId: appid,
    region,
    domain: COS_DOMAIN,
    connectTo: address,
    credentials: { secretId, secretKey },
  }
}

/** An emulator and the store before it. */
export async function openCos(
  server: CosServerOptions = {},
  more: Partial<CosStorageOptions> = {},
): Promise<{ readonly storage: Storage; readonly server: CosServer; close(): Promise<void> }> {
  const started = await startCosServer({ ...SHORT, ...server })
  try {
    const storage = await openCosStorage({ ...cosOptions(started), systemBucket: 'records', ...more })
    return {
      storage,
      server: started,
      async close() {
        await storage.close()
        await started.close()
      },
    }
  } catch (error) {
    await started.close()
    throw error
  }
}
