/**
 * Lane `npm run test:large`: one large multipart upload and download with generated content and a running
 * hash, while the memory of the server's processes is sampled from /proc. Linux only.
 * LANE_BYTES (5 GiB), LANE_MAX_RSS (200 MiB, sum over the server's processes).
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { startServer } from '../lib/server.ts'

const bytes = Number(process.env['LANE_BYTES'] ?? 5 * 1024 ** 3)
const maxRss = Number(process.env['LANE_MAX_RSS'] ?? 200 * 1024 ** 2)
const BLOCK = 1024 * 1024

const server = await startServer()
let peak = 0
const sampler = setInterval(() => {
  peak = Math.max(peak, groupRss(server.child.pid ?? -1))
}, 200)
let failed = false
try {
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
  })
  await client.send(new CreateBucketCommand({ Bucket: 'large' }))
  const sent = createHash('sha256')
  let started = Date.now()
  await new Upload({
    client,
    partSize: Math.max(16 * BLOCK, Math.ceil(bytes / 9000)),
    queueSize: 4,
    params: {
      Bucket: 'large',
      Key: 'object',
      Body: Readable.from(generate(bytes, sent), { objectMode: false }),
    },
  }).done()
  report('upload', started)
  const head = await client.send(new HeadObjectCommand({ Bucket: 'large', Key: 'object' }))
  if (head.ContentLength !== bytes) throw new Error(`HEAD says ${head.ContentLength}, sent ${bytes}`)
  started = Date.now()
  const got = await client.send(new GetObjectCommand({ Bucket: 'large', Key: 'object' }))
  const received = createHash('sha256')
  let length = 0
  for await (const chunk of got.Body as Readable) {
    received.update(chunk as Buffer)
    length += (chunk as Buffer).length
  }
  report('download', started)
  if (length !== bytes) throw new Error(`received ${length} bytes, sent ${bytes}`)
  if (received.digest('hex') !== sent.digest('hex')) throw new Error('content differs')
  client.destroy()
} catch (error) {
  failed = true
  process.stdout.write(`FAILED ${error instanceof Error ? error.stack : String(error)}\n${server.output()}\n`)
} finally {
  clearInterval(sampler)
  await server.stop()
}
if (peak === 0 || peak > maxRss) failed = true
process.stdout.write(
  `server RSS, peak: ${mib(peak)} MiB (limit ${mib(maxRss)})\n${failed ? 'FAILED' : 'passed'}\n`,
)
process.exitCode = failed ? 1 : 0

/** `total` bytes that differ in every block, so that a swapped or repeated block changes the hash. */
function* generate(total: number, hash: ReturnType<typeof createHash>): Generator<Buffer> {
  for (let at = 0, index = 0; at < total; at += BLOCK, index++) {
    const block = Buffer.alloc(
      Math.min(BLOCK, total - at),
      createHash('sha512').update(String(index)).digest(),
    )
    hash.update(block)
    yield block
  }
}

/** Sum of the resident bytes of all processes in the group of `leader`. */
function groupRss(leader: number): number {
  let sum = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      // Behind the name in brackets: state, parent, group (proc_pid_stat(5)).
      const group = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[2]
      if (Number(group) !== leader) continue
      sum += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
    } catch {
      // The process ended between the listing and the reading.
    }
  }
  return sum
}

function report(step: string, started: number): void {
  const seconds = (Date.now() - started) / 1000
  process.stdout.write(
    `${step}: ${seconds.toFixed(1)} s, ${(bytes / 1024 ** 2 / seconds).toFixed(0)} MiB/s\n`,
  )
}

function mib(value: number): string {
  return (value / 1024 ** 2).toFixed(0)
}
