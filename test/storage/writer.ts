/**
 * A process that writes to an fs store until it is killed or has done its number: `writer.ts DIRECTORY NAME COUNT`. It prints one JSON
 * line {key, sha256, done} before each write (done false) and after its acknowledgement (done true); sha256 is null for a DELETE.
 */
import { createHash, randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'

const [directory = '', name = '', count = '0'] = process.argv.slice(2)
const storage = await openFilesystemStorage({ directory })
const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
const bucket = 'b'

async function* body(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 30_000) {
    yield bytes.subarray(at, at + 30_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function say(key: string, bytes: Buffer | null, done: boolean): void {
  const sha256 = bytes === null ? null : createHash('sha256').update(bytes).digest('hex')
  writeSync(1, `${JSON.stringify({ key, sha256, done })}\n`)
}

async function once(key: string, n: number): Promise<void> {
  const bytes = randomBytes([0, 100, 20_000, 150_000][n % 4] ?? 0)
  const object = { bucket, key, ...attributes }
  if (n % 7 === 6) {
    say(key, null, false)
    await storage.deleteObject({ bucket, key })
    return say(key, null, true)
  }
  if (n % 5 === 4) {
    const { uploadId } = await storage.createMultipartUpload(object)
    const part = { bucket, key, uploadId, partNumber: 1, size: bytes.length, body: body(bytes) }
    const { etag } = await storage.uploadPart(part)
    // Some uploads are left as they are.
    if (n % 10 === 9) return
    say(key, bytes, false)
    await storage.completeMultipartUpload({ bucket, key, uploadId, parts: [{ partNumber: 1, etag }] })
    return say(key, bytes, true)
  }
  say(key, bytes, false)
  await storage.putObject({ ...object, size: bytes.length, body: body(bytes) })
  say(key, bytes, true)
}

// Each key has one writer at a time, so that the order of acknowledgements is the order of commits.
const lanes = Array.from({ length: 8 }, async (_, lane) => {
  for (let n = 0; n < Number(count); n++) await once(`${name}-${lane}-${n % 5}`, n + lane)
})
await Promise.all(lanes)
await storage.close()
