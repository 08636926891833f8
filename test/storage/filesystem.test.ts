import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import { storageConformance } from '../conformance/storage.ts'

storageConformance('fs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-fs-'))
  const storage = await openFilesystemStorage({ directory })
  return {
    storage,
    async close() {
      await storage.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
})
