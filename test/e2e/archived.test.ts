/** Objects that the store has archived: their bytes cannot be had before they are restored there. No server of the lanes archives, so an emulated one does. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { SealgateError } from '../../src/errors.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const Bucket = 'archive'
const DATA = randomBytes(300_000)
let isRestored = false
let server: S3Server
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  server = await startS3Server({
    intercept: (call, request) => {
      const source = request.headers['x-amz-copy-source']
      const isArchived = [request.url, source].some((name) => String(name).includes('frozen'))
      if (isRestored || !isArchived) return false
      if (['GetObject', 'CopyObject', 'UploadPartCopy'].includes(call))
        throw new SealgateError('InvalidObjectState')
      return false
    },
  })
  gateway = await startGateway({ store: await openStoreBefore(server) })
  bucket = await TestBucket.create(gateway.client(), Bucket)
  await bucket.put('frozen', DATA, { StorageClass: 'GLACIER', ContentType: 'a/b' })
})
after(async () => {
  await gateway.close()
  await server.close()
})

describe('an object that the store has archived', () => {
  it('GetObject_archived and its copy are InvalidObjectState, without a second try', async () => {
    for (const Range of [undefined, 'bytes=5-9']) {
      server.counted()
      await fails(bucket.read('frozen', { Range }), 'InvalidObjectState', 403)
      assert.deepEqual(server.counted(), ['GetObject'])
    }
    const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/frozen` }
    await fails(bucket.s3.send(new sdk.CopyObjectCommand(copy)), 'InvalidObjectState', 403)
    await fails(bucket.s3.send(new sdk.HeadObjectCommand({ Bucket, Key: 'copy' })), 'NotFound', 404)
  })

  it('HeadObject_archived and lists tell of it, of its class the lists', async () => {
    const head = await bucket.s3.send(new sdk.HeadObjectCommand({ Bucket, Key: 'frozen' }))
    assert.deepEqual([head.ContentLength, head.ContentType], [DATA.length, 'a/b'])
    const { Contents = [] } = await bucket.s3.send(new sdk.ListObjectsV2Command({ Bucket, Prefix: 'frozen' }))
    assert.deepEqual(
      Contents.map(({ Key, Size, StorageClass }) => [Key, Size, StorageClass]),
      [['frozen', DATA.length, 'GLACIER']],
    )
  })

  it('RestoreObject is NotImplemented, and once the store has restored it, it is read', async () => {
    const restore = { Bucket, Key: 'frozen', RestoreRequest: { Days: 1 } }
    await fails(bucket.s3.send(new sdk.RestoreObjectCommand(restore)), 'NotImplemented', 501)
    isRestored = true
    assert.ok((await bucket.read('frozen')).equals(DATA))
  })
})
