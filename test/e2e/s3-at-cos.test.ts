/** A gateway over the s3 store before Tencent COS's S3 endpoint: what of it clients meet. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { openS3Storage } from '../../src/storage/s3.ts'
import { type CosServer, startCosServer } from '../emulators/cos-server.ts'
import { COS_CERTIFICATE, COS_PRIVATE_KEY } from '../emulators/tls.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import '../lib/cos-at-loopback.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024

let server: CosServer
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  server = await startCosServer({ tls: { cert: COS_CERTIFICATE, key: COS_PRIVATE_KEY } })
  const { endpoint, region, secretId, secretKey, appid } = server
  const store = await openS3Storage({
    ...{ endpoint, region, addressing: 'virtual' },
    credentials: { accessKeyId: secretId, secretAccessKey: secretKey },
    tls: { ca: COS_CERTIFICATE },
    systemBucket: 'sealgate-system',
    bucketSuffix: `-${appid}`,
  })
  gateway = await startGateway({ store })
  bucket = await TestBucket.create(gateway.client(), 'clients')
})
after(async () => {
  await gateway.close()
  await server.close()
})

const stored = (key: string) => server.bucket(`clients-${server.appid}`)?.versions(key).length ?? 0

describe("a gateway before COS's S3 endpoint", () => {
  it('keeps objects of every size, with metadata of any name', async () => {
    for (const size of [0, 1, 100_000, 3 * MIB]) {
      const bytes = randomBytes(size)
      await bucket.put(`of ${size}/照片`, bytes, { Metadata: { under_score: 'kept' } })
      assert.ok((await bucket.read(`of ${size}/照片`)).equals(bytes))
    }
    const head = await bucket.s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key: 'of 1/照片' }))
    assert.deepEqual(head.Metadata, { under_score: 'kept' })
    const list = { Bucket: bucket.name, Prefix: 'of ', Delimiter: '照片' }
    const { CommonPrefixes } = await bucket.s3.send(new ListObjectsV2Command(list))
    assert.equal(CommonPrefixes?.length, 4)
  })

  it('joins parts, whatever the size of the last one', async () => {
    for (const last of [1, 5 * MIB]) {
      const bodies = [randomBytes(5 * MIB), randomBytes(last)]
      await bucket.putParts(`parts ${last}`, bodies)
      assert.ok((await bucket.read(`parts ${last}`)).equals(Buffer.concat(bodies)))
    }
  })

  it('refuses parts with a gap in their numbers, which COS would not join', async () => {
    const id = await bucket.begin('gap')
    const parts = [
      await bucket.send('gap', id, 1, randomBytes(5 * MIB)),
      await bucket.send('gap', id, 3, randomBytes(9)),
    ]
    await fails(bucket.complete('gap', id, parts), 'NotImplemented', 501)
  })

  it('copies, and deletes many', async () => {
    await bucket.put('source', 'bytes')
    const copy = { Bucket: bucket.name, Key: 'copy', CopySource: `${bucket.name}/source` }
    await bucket.s3.send(new CopyObjectCommand(copy))
    assert.equal(String(await bucket.read('copy')), 'bytes')
    const Delete = { Objects: [{ Key: 'source' }, { Key: 'copy' }] }
    await bucket.s3.send(new DeleteObjectsCommand({ Bucket: bucket.name, Delete }))
    assert.deepEqual([stored('source'), stored('copy')], [0, 0])
  })

  it('refuses conditions of writes, and keys that COS cannot have', async () => {
    await fails(bucket.put('new', 'x', { IfNoneMatch: '*' }), 'NotImplemented', 501)
    assert.equal(stored('new'), 0)
    await fails(bucket.put('k'.repeat(851), 'x'), 'KeyTooLongError', 400)
    await fails(bucket.put('/slash', 'x'), 'InvalidURI', 400)
  })
})
