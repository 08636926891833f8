/**
 * Lane `npm run test:crash`: SIGKILL at random moments under PUT, DELETE, multipart and copy. After each restart
 * every acknowledged write is readable and right, an acknowledged DELETE is gone, and nothing half-written shows:
 * a key whose last request was cut holds the old state or the new one, whole.
 * LANE_CRASHES (200), LANE_SEED (random, printed).
 */
import { createHash, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { type RunningServer, startServer } from '../lib/server.ts'

/** What a key may hold: the content's seed and size, or null for "no such key". */
type State = { readonly seed: number; readonly size: number } | null

const crashes = Number(process.env['LANE_CRASHES'] ?? 200)
const seed = Number(process.env['LANE_SEED'] ?? randomInt(2 ** 31))
const random = generator(seed)
const Bucket = 'crash'
const WRITERS = 6
const KEYS_PER_WRITER = 8
const SIZES = [0, 1, 100, 4096, 65_535, 65_536, 65_537, 300_000, 2_000_000]
const PART = 5 * 1024 * 1024
/** Every key is written by one writer only, so its possible states are known at any time. */
const possible = new Map<string, State[]>()
const done: Record<string, number> = { put: 0, delete: 0, multipart: 0, copy: 0, cut: 0 }

process.stdout.write(`seed ${seed}, ${crashes} crashes\n`)
const dataDir = await mkdtemp(join(tmpdir(), 'sealgate-crash-'))
const first = await startServer({ dataDir })
const identity = {
  dataDir,
  port: first.port,
  accessKeyId: first.accessKeyId,
  secretAccessKey: first.secretAccessKey,
}
await client(first).send(new CreateBucketCommand({ Bucket }))
let server = first
let failures = 0
for (let round = 1; round <= crashes && failures === 0; round++) {
  const s3 = client(server)
  const stop = new AbortController()
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(s3, writer, stop.signal))
  await sleep(20 + Math.floor(random() * 600))
  stop.abort()
  await server.kill9()
  await Promise.all(writers)
  s3.destroy()
  server = await startServer(identity)
  failures += await check(server, round)
  if (round % 20 === 0) process.stdout.write(`round ${round}: ${JSON.stringify(done)}\n`)
}
await server.stop()
await rm(dataDir, { recursive: true, force: true })
// A lane that never acknowledged anything, or never cut anything, has tested nothing.
for (const kind of Object.keys(done)) {
  if (done[kind] !== 0) continue
  process.stdout.write(`no ${kind} happened: the lane proves nothing about it\n`)
  failures++
}
process.stdout.write(`${failures === 0 ? 'passed' : 'FAILED'}: ${JSON.stringify(done)}\n`)
process.exitCode = failures === 0 ? 0 : 1

async function write(s3: S3Client, writer: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const key = `writer ${writer}/key+${Math.floor(random() * KEYS_PER_WRITER)}`
    const before = possible.get(key) ?? [null]
    const [kind, after, act] = choose(s3, writer, key)
    possible.set(key, [...before, after])
    try {
      await act()
      possible.set(key, [after])
      done[kind] = (done[kind] ?? 0) + 1
    } catch (error) {
      const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
      if (!signal.aborted && status !== undefined) {
        failures++
        process.stdout.write(`${kind} ${key} answered ${status}: ${String(error)}\n`)
      }
      done['cut'] = (done['cut'] ?? 0) + 1
      return
    }
  }
}

/** The next operation: its kind, the state of the key after it, and the call that does it. */
function choose(s3: S3Client, writer: number, Key: string): [string, State, () => Promise<unknown>] {
  const dice = random()
  if (dice < 0.2) return ['delete', null, () => s3.send(new DeleteObjectCommand({ Bucket, Key }))]
  if (dice < 0.35) {
    const source = [...possible].find(
      ([key, states]) =>
        key !== Key && key.startsWith(`writer ${writer}/`) && states.length === 1 && states[0] !== null,
    )
    if (source !== undefined) {
      const CopySource = `${Bucket}/${encodeURIComponent(source[0])}`
      return ['copy', source[1][0] ?? null, () => s3.send(new CopyObjectCommand({ Bucket, Key, CopySource }))]
    }
  }
  const id = Math.floor(random() * 2 ** 31)
  if (dice < 0.45) {
    const state = { seed: id, size: PART + 1 + Math.floor(random() * 100_000) }
    return ['multipart', state, () => multipart(s3, Key, content(state))]
  }
  const state = { seed: id, size: SIZES[Math.floor(random() * SIZES.length)] ?? 0 }
  return ['put', state, () => s3.send(new PutObjectCommand({ Bucket, Key, Body: content(state) }))]
}

async function multipart(s3: S3Client, Key: string, body: Buffer): Promise<void> {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  const Parts = []
  for (const [index, Body] of [body.subarray(0, PART), body.subarray(PART)].entries()) {
    const PartNumber = index + 1
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
    Parts.push({ PartNumber, ETag })
  }
  await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }))
}

async function check(running: RunningServer, round: number): Promise<number> {
  const s3 = client(running)
  let wrong = 0
  const listed = new Map<string, number>()
  const page = await s3.send(new ListObjectsV2Command({ Bucket }))
  for (const entry of page.Contents ?? []) listed.set(entry.Key ?? '', entry.Size ?? -1)
  for (const [key, states] of possible) {
    const body = await read(s3, key)
    const match = states.find((state) => same(state, body))
    const size = listed.get(key)
    listed.delete(key)
    if (match !== undefined && size === body?.length) {
      possible.set(key, [match])
      continue
    }
    wrong++
    const got = body === null ? 'nothing' : `${body.length} bytes`
    process.stdout.write(
      `round ${round}: ${key} holds ${got}, LIST ${size}, allowed ${JSON.stringify(states)}\n`,
    )
  }
  for (const key of listed.keys()) {
    wrong++
    process.stdout.write(`round ${round}: LIST shows ${key}, which nobody wrote\n`)
  }
  s3.destroy()
  return wrong
}

async function read(s3: S3Client, Key: string): Promise<Buffer | null> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }))
    return Buffer.from((await Body?.transformToByteArray()) ?? [])
  } catch (error) {
    if ((error as Error).name === 'NoSuchKey') return null
    throw error
  }
}

function same(state: State, body: Buffer | null): boolean {
  if (state === null || body === null) return state === body
  return body.length === state.size && body.equals(content(state))
}

function content(state: NonNullable<State>): Buffer {
  return state.size === 0
    ? Buffer.alloc(0)
    : Buffer.alloc(state.size, createHash('sha512').update(String(state.seed)).digest())
}

function client(running: RunningServer): S3Client {
  return new S3Client({
    endpoint: running.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: running.accessKeyId, secretAccessKey: running.secretAccessKey },
  })
}

/** mulberry32: small, seeded, good enough to choose operations. */
function generator(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
