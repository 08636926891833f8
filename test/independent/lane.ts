/**
 * Writes objects through real gateways, one for each key service, with a real client; leaves what the stores have of them in a directory,
 * and has the reader open them while the key services still run.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startServer } from '../lib/server.ts'
import { storedOf } from '../recovery/helpers.ts'
import { aws, leftKey, local, passphrase, type Service, tencent, vault } from './services.ts'

const MIB = 1024 * 1024
const BUCKET = 'independent'
const [python = 'python3'] = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), 'sealgate-independent-'))

/** Objects of every shape; a multipart one has gaps in its numbers. */
async function writeObjects(s3: S3Client): Promise<ReadonlyMap<string, Buffer>> {
  const bucket = await TestBucket.create(s3, BUCKET)
  const plain = new Map<string, Buffer>()
  for (const size of [0, 1, 65_535, 65_536, 65_537, 300_000]) {
    const [key, body] = [`single/${size}`, randomBytes(size)]
    const attributes = {
      ContentType: 'text/plain',
      CacheControl: ' max-age=1 ',
      Metadata: { Colour: 'blue', empty: '' },
    }
    await bucket.put(key, body, { ...attributes, ChecksumAlgorithm: 'SHA256' })
    plain.set(key, body)
  }
  const encoded = { ContentEncoding: 'gzip', ContentLanguage: 'de', ContentDisposition: 'attachment' }
  await bucket.put('encoded', 'x', encoded)
  plain.set('encoded', Buffer.from('x'))
  const shapes = {
    'small-last': [5 * MIB, 5 * MIB + 1, 1234],
    'large-last': [5 * MIB, 6 * MIB],
    'empty-last': [5 * MIB, 0],
    empty: [0],
  }
  for (const [key, sizes] of Object.entries(shapes)) {
    const bodies = sizes.map((size) => randomBytes(size))
    await writeParts(bucket, key, bodies)
    plain.set(key, Buffer.concat(bodies))
  }
  for (const source of ['single/300000', 'small-last']) {
    const key = `copy of ${source} äöü`
    const CopySource = encodeURI(`${BUCKET}/${source}`)
    await s3.send(
      new CopyObjectCommand({ Bucket: BUCKET, Key: key, CopySource, MetadataDirective: 'REPLACE' }),
    )
    plain.set(key, plain.get(source) ?? Buffer.alloc(0))
  }
  return plain
}

async function writeParts(bucket: TestBucket, Key: string, bodies: readonly Buffer[]): Promise<void> {
  const upload = { Bucket: BUCKET, Key, ChecksumAlgorithm: 'SHA1' } as const
  const { UploadId = '' } = await bucket.s3.send(
    new CreateMultipartUploadCommand({ ...upload, Metadata: { parts: 'yes' } }),
  )
  const parts = []
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = 3 * index + 2
    const { ETag, ChecksumSHA1 } = await bucket.s3.send(
      new UploadPartCommand({ ...upload, UploadId, PartNumber, Body }),
    )
    parts.push({ PartNumber, ETag, ChecksumSHA1 })
  }
  await bucket.complete(Key, UploadId, parts)
}

async function leave(service: Service, dataDir: string, plain: ReadonlyMap<string, Buffer>): Promise<void> {
  const to = join(directory, service.name)
  mkdirSync(to)
  const storage = await openFilesystemStorage({ directory: join(dataDir, 'store'), readOnly: true })
  const manifest: object[] = []
  for (const [key, bytes] of plain) {
    const name = `object-${manifest.length}`
    const { bytes: stored, headers, metadata } = await storedOf(storage, BUCKET, key)
    writeFileSync(join(to, `${name}.stored`), stored)
    writeFileSync(join(to, `${name}.plain`), bytes)
    writeFileSync(join(to, `${name}.json`), JSON.stringify({ headers, metadata }))
    manifest.push({ name, bucket: BUCKET, key })
  }
  const keys = { realm: await realmOf(storage), ...service.describe(dataDir) }
  await storage.close()
  writeFileSync(join(to, 'keys.json'), JSON.stringify(keys))
  writeFileSync(join(to, 'manifest.json'), JSON.stringify(manifest))
}

async function realmOf(storage: Storage): Promise<string> {
  const { bytes } = await storedOf(storage, 'sealgate-system', 'v1/realm')
  return (JSON.parse(bytes.toString()) as { realm: string }).realm
}

async function run(service: Service): Promise<void> {
  const dataDir = join(directory, `${service.name}.data`)
  mkdirSync(dataDir)
  // A new data key after every third object.
  const env = { ...service.env, SEALGATE_EPOCH_MAX_OBJECTS: '3' }
  const server = await startServer({ dataDir, env })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  try {
    const plain = await writeObjects(s3)
    await service.afterwards?.(dataDir)
    await leave(service, dataDir, plain)
  } finally {
    s3.destroy()
    await server.stop()
  }
}

const services: Service[] = []
try {
  for (const start of [local, passphrase, leftKey, tencent, aws, vault]) services.push(await start(python))
  for (const service of services) await run(service)
  const names = services.map(({ name }) => join(directory, name))
  const reader = spawn(python, [join(import.meta.dirname, 'check.py'), ...names], { stdio: 'inherit' })
  const [code] = (await once(reader, 'close')) as [number | null]
  process.exitCode = code ?? 1
} finally {
  for (const service of services) await service.close()
  rmSync(directory, { recursive: true })
}
