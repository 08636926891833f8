/** Writes objects through a real gateway with a real client, and leaves what the store has of them in a directory. */
import { randomBytes } from 'node:crypto'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CopyObjectCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { collect } from '../lib/bytes.ts'
import { startGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024
const directory = process.argv[2] ?? ''
const gateway = await startGateway()
const s3 = gateway.client()
const bucket = await TestBucket.create(s3, 'independent')
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
await bucket.put('encoded', 'x', {
  ContentEncoding: 'gzip',
  ContentLanguage: 'de',
  ContentDisposition: 'attachment',
})
plain.set('encoded', Buffer.from('x'))

const shapes = {
  'small-last': [5 * MIB, 5 * MIB + 1, 1234],
  'large-last': [5 * MIB, 6 * MIB],
  'empty-last': [5 * MIB, 0],
  empty: [0],
}
for (const [key, sizes] of Object.entries(shapes)) {
  const bodies = sizes.map((size) => randomBytes(size))
  const { UploadId = '' } = await s3.send(
    new CreateMultipartUploadCommand({
      Bucket: bucket.name,
      Key: key,
      ChecksumAlgorithm: 'SHA1',
      Metadata: { parts: 'yes' },
    }),
  )
  const parts = []
  for (const [index, Body] of bodies.entries()) {
    // Numbers with gaps.
    const PartNumber = 3 * index + 2
    const part = {
      Bucket: bucket.name,
      Key: key,
      UploadId,
      PartNumber,
      Body,
      ChecksumAlgorithm: 'SHA1',
    } as const
    const { ETag, ChecksumSHA1 } = await s3.send(new UploadPartCommand(part))
    parts.push({ PartNumber, ETag, ChecksumSHA1 })
  }
  await bucket.complete(key, UploadId, parts)
  plain.set(key, Buffer.concat(bodies))
}
for (const source of ['single/300000', 'small-last']) {
  const key = `copy of ${source} äöü`
  const CopySource = encodeURI(`${bucket.name}/${source}`)
  await s3.send(
    new CopyObjectCommand({ Bucket: bucket.name, Key: key, CopySource, MetadataDirective: 'REPLACE' }),
  )
  plain.set(key, plain.get(source) ?? Buffer.alloc(0))
}

const manifest: { name: string; bucket: string; key: string }[] = []
for (const [key, bytes] of plain) {
  const { object, body } = await gateway.storage.getObject({ bucket: bucket.name, key })
  const name = `object-${manifest.length}`
  await writeFile(join(directory, `${name}.stored`), await collect(body))
  await writeFile(join(directory, `${name}.plain`), bytes)
  const attributes = { headers: object.headers, metadata: object.metadata }
  await writeFile(join(directory, `${name}.json`), JSON.stringify(attributes))
  manifest.push({ name, bucket: bucket.name, key })
}
await copyFile(join(gateway.directory, 'keyring.json'), join(directory, 'keyring.json'))
await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest))
await gateway.close()
