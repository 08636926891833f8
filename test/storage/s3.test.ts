import { storageConformance } from '../conformance/storage.ts'
import { versionConformance } from '../conformance/versions.ts'
import { type Ignored, type S3ServerOptions, startS3Server } from '../emulators/s3-server.ts'
import { startGateway } from '../lib/gateway.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

async function open(options: S3ServerOptions = {}) {
  const server = await startS3Server(options)
  const storage = await openStoreBefore(server)
  const close = async () => {
    await storage.close()
    await server.close()
  }
  return { storage, close }
}

storageConformance('s3', () => open())

// What it cannot have enforced it refuses, and a copy is pinned all the same.
const IGNORANT: readonly Ignored[] = [
  'copy-source-if-match',
  'put',
  'copy',
  'complete',
  'delete',
  'decoded',
  'versions',
]
storageConformance('s3, before a server that ignores conditions,', () => open({ ignores: IGNORANT }))

// As servers page that keep objects in directories.
storageConformance(
  's3, before a server that pages in its own way,',
  () =>
    open({
      ignores: ['folding', 'part-marker', 'underscores', 'upload-prefixes', 'name-parts', 'name-encoding'],
    }),
  {
    refusedNames: {
      reason: 'no parts that are empty, "." or "..", and no characters that XML cannot hold',
      refuses: (key) =>
        /^\/|\/\/|(^|\/)\.{1,2}(\/|$)/.test(key) || /[^\P{Cc}\t\n\r\u007f-\u009f]|[\ufffe\uffff]/u.test(key),
    },
    foldsAfterwards: 'names are counted before they are folded',
    lastCharacterEndsPages: 'a list goes on behind the last name but those with U+10FFFF',
  },
)

// As Ceph's gateway does: a version is an object of its own, which is always new.
const VERSIONS_IGNORE = { versionsIgnoreConditions: 'each version is a new object' }
versionConformance(
  's3, before a server that ignores conditions where there are versions,',
  () => open({ ignores: ['versioned-conditions', 'version-markers'] }),
  {
    ...VERSIONS_IGNORE,
    shortPages: 'a page begins with the version that its marker names, and that was in the page before',
  },
)

// As the Versity S3 Gateway does: a delete marker is an object to them.
versionConformance(
  's3, before a server whose conditions take a delete marker for an object,',
  () => open({ ignores: ['delete-markers'] }),
  VERSIONS_IGNORE,
)

// Sealgate itself is an S3 server: here it is the store behind the store.
storageConformance(
  's3, before a Sealgate,',
  async () => {
    const backend = await startGateway()
    const storage = await openStoreBefore(backend)
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
