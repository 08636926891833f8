/** `node test/lanes/store-bench.ts`: what the fs store does in a second, through its own interface; 1000-byte objects. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'

const directory = await mkdtemp(join(tmpdir(), 'sealgate-bench-'))
const storage = await openFilesystemStorage({ directory })
await storage.createBucket('b')
const metadata = { sealgate: 'x'.repeat(560) }
let keys = 0

async function* body(size: number): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(size, 1)
}

const nameOf = (n: number): string => `key/${String(n).padStart(9, '0')}`

function put(size: number): Promise<unknown> {
  const attributes = { headers: { 'content-type': 'text/plain' }, metadata, storageClass: 'STANDARD' }
  return storage.putObject({ bucket: 'b', key: nameOf(keys++), ...attributes, size, body: body(size) })
}

async function measure(name: string, count: number, run: () => Promise<void>): Promise<void> {
  const started = performance.now()
  await run()
  const perSecond = count / ((performance.now() - started) / 1000)
  process.stdout.write(`${name}: ${Math.round(perSecond)} a second\n`)
}

async function times(count: number, atOnce: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < count; n += atOnce)
    await Promise.all(Array.from({ length: atOnce }, (_, i) => work(n + i)))
}

for (let round = 1; round <= 3; round++) {
  process.stdout.write(`round ${round}\n`)
  await measure('PUT of 1000 bytes, one at a time', 1000, () => times(1000, 1, () => put(1000)))
  await measure('PUT of 1000 bytes, 64 at once', 12_800, () => times(12_800, 64, () => put(1000)))
  await measure('PUT of 100 000 bytes, 64 at once', 1280, () => times(1280, 64, () => put(100_000)))
  await measure('HEAD', 50_000, () =>
    times(50_000, 1, (n) => storage.headObject({ bucket: 'b', key: nameOf((n * 7919) % keys) })),
  )
  await measure('keys listed in pages of 1000', keys, async () => {
    let continuationToken: string | undefined
    const page = { bucket: 'b', prefix: '', delimiter: '', startAfter: '', maxKeys: 1000 }
    do continuationToken = (await storage.listObjects({ ...page, continuationToken })).next
    while (continuationToken !== undefined)
  })
}
await storage.close()
await rm(directory, { recursive: true, force: true })
