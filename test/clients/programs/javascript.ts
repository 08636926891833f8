/**
 * The JavaScript SDK's part of the clients lane, on its default settings:
 *   bodies FILE  buffers and a stream by PutObject and Upload, read back
 *   up DIR       every file of a directory by lib-storage's Upload
 *   down DIR     every object of the bucket into a directory
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

const PREFIX = 'tree/'
const endpoint = process.env['LANE_ENDPOINT']
const Bucket = process.env['LANE_BUCKET']
if (endpoint === undefined || Bucket === undefined)
  throw new TypeError('expected LANE_ENDPOINT and LANE_BUCKET')
const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })

const [command, path = ''] = process.argv.slice(2)
if (command === 'bodies') await bodies(path)
else if (command === 'up') await up(path)
else if (command === 'down') await down(path)
else throw new TypeError(`expected bodies, up or down, got ${command}`)
client.destroy()

async function bodies(file: string): Promise<void> {
  const ContentLength = statSync(file).size
  const want = await sha256(createReadStream(file))
  for (const Body of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(65_537, 7)]) {
    await client.send(new PutObjectCommand({ Bucket, Key: 'buffer', Body }))
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'buffer' }))
    const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? [])
    if (!bytes.equals(Body)) throw new Error(`buffer of ${Body.length} bytes differs`)
  }
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'stream', Body: createReadStream(file), ContentLength }),
  )
  await new Upload({ client, params: { Bucket, Key: 'upload', Body: createReadStream(file) } }).done()
  for (const Key of ['stream', 'upload']) {
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }))
    if (head.ContentLength !== ContentLength)
      throw new Error(`HEAD ${Key}: ${head.ContentLength}, want ${ContentLength}`)
    const got = await client.send(new GetObjectCommand({ Bucket, Key }))
    if ((await sha256(got.Body as Readable)) !== want) throw new Error(`${Key} differs`)
  }
}

async function up(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  await eightAtOnce(files, async (file) => {
    const Key = PREFIX + relative(directory, file)
    await new Upload({ client, params: { Bucket, Key, Body: createReadStream(file) } }).done()
  })
}

async function down(directory: string): Promise<void> {
  for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix: PREFIX })) {
    const keys = (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]))
    await eightAtOnce(keys, async (Key) => {
      const file = join(directory, Key.slice(PREFIX.length))
      await mkdir(dirname(file), { recursive: true })
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
      await pipeline(Body as Readable, createWriteStream(file))
    })
  }
}

async function eightAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const remaining = items.values()
  const worker = async () => {
    for (const item of remaining) await work(item)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

async function sha256(body: Readable): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(body, hash)
  return hash.digest('hex')
}
