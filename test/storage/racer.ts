/**
 * A process that races others for keys, started by `fork` as `racer.ts DIRECTORY NAME`. It says 'ready', writes with each condition
 * that it is sent at once, and answers with the etag of its object, or null if another one won.
 */
import { isError } from '../../src/errors.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { WriteCondition } from '../../src/storage/storage.ts'

const [directory = '', name = ''] = process.argv.slice(2)
const storage = await openFilesystemStorage({ directory })

async function* body(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(20_000, name)
}

async function write({ key, condition }: { key: string; condition: WriteCondition }): Promise<string | null> {
  const object = { bucket: 'b', key, headers: {}, metadata: {}, storageClass: 'STANDARD' }
  try {
    return (await storage.putObject({ ...object, size: 20_000, body: body(), condition })).etag
  } catch (error) {
    if (isError(error, 'PreconditionFailed')) return null
    throw error
  }
}

process.on('message', (message: { key: string; condition: WriteCondition }) => {
  write(message).then((etag) => process.send?.(etag))
})
process.once('disconnect', () => storage.close())
process.send?.('ready')
