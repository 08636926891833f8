/** The JavaScript SDK's part of the clients lane: buffer, stream and lib-storage uploads of one file, read back. */
import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

const path = process.argv[2] ?? ''
const endpoint = process.env['LANE_ENDPOINT']
if (endpoint === undefined) throw new TypeError('expected LANE_ENDPOINT')
const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })
const Bucket = 'javascript'
const ContentLength = statSync(path).size
const want = await sha256(createReadStream(path))

for (const Body of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(65_537, 7)]) {
  await client.send(new PutObjectCommand({ Bucket, Key: 'buffer', Body }))
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'buffer' }))
  const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? [])
  if (!bytes.equals(Body)) throw new Error(`buffer of ${Body.length} bytes differs`)
}
await client.send(
  new PutObjectCommand({ Bucket, Key: 'stream', Body: createReadStream(path), ContentLength }),
)
await new Upload({ client, params: { Bucket, Key: 'upload', Body: createReadStream(path) } }).done()
for (const Key of ['stream', 'upload']) {
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }))
  if (head.ContentLength !== ContentLength)
    throw new Error(`HEAD ${Key}: ${head.ContentLength}, want ${ContentLength}`)
  const got = await client.send(new GetObjectCommand({ Bucket, Key }))
  if ((await sha256(got.Body as Readable)) !== want) throw new Error(`${Key} differs`)
}
client.destroy()

async function sha256(body: Readable): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(body, hash)
  return hash.digest('hex')
}
