import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { after, afterEach, before, describe, it } from 'node:test'
import { CopyObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { createSystemObject, readSystemObject } from '../../src/gateway/system-bucket.ts'
import { type Ignored, type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { converse, parseAnswer, send, signed } from '../lib/raw-http.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:00000000000000aa'
const Bucket = 'early'

interface Stack {
  readonly server: S3Server
  readonly gateway: TestGateway
  readonly kms: WatchedKms
  readonly s3: S3Client
  readonly bucket: TestBucket
  close(): Promise<void>
}

/** How the store answers its next calls of a name, instead of carrying them out. */
const answers = new Map<string, { readonly status: number; readonly code: string; times: number }>()

function intercept(call: string, response: ServerResponse): boolean {
  const answer = answers.get(call)
  if (answer === undefined || answer.times === 0) return false
  answer.times -= 1
  response.writeHead(answer.status, { 'content-type': 'application/xml', connection: 'close' })
  response.end(`<Error><Code>${answer.code}</Code></Error>`)
  return true
}

async function start(ignores: readonly Ignored[] = []): Promise<Stack> {
  const server = await startS3Server({ ignores, intercept: (call, _, response) => intercept(call, response) })
  const store = await openStoreBefore(server)
  const kms = new WatchedKms('r', [CMK])
  const gateway = await startGateway({ store, keys: { kms, policy: () => ({ cmk: CMK, retired: [] }) } })
  const s3 = gateway.client()
  const bucket = await TestBucket.create(s3, Bucket)
  await bucket.put('there', 'x')
  const close = async () => {
    await gateway.close()
    await server.close()
  }
  return { server, gateway, kms, s3, bucket, close }
}

describe('a write whose condition fails already', () => {
  let stack: Stack
  before(async () => {
    stack = await start()
  })
  after(() => stack.close())

  /** Everything is begun anew, so that a data key would have to be asked for. */
  const forget = () => {
    stack.gateway.gateway.keys.rotate(() => true)
    stack.kms.calls.length = 0
    stack.server.counted()
  }

  it('PutObject_conditionFails costs one look at the store: no key, and no byte of its body', async () => {
    for (const [key, headers, want] of [
      ['there', { 'if-none-match': '*' }, [412, 'PreconditionFailed']],
      ['there', { 'if-match': '"00000000000000000000000000000000-0"' }, [412, 'PreconditionFailed']],
      ['absent', { 'if-match': '"00000000000000000000000000000000-0"' }, [404, 'NoSuchKey']],
    ] as const) {
      forget()
      const head = signed(stack.gateway, {
        method: 'PUT',
        target: `/${Bucket}/${key}`,
        headers: { ...headers, expect: '100-continue', 'content-length': '10000000' },
        payload: 'UNSIGNED-PAYLOAD',
      })
      const conversation = converse(stack.gateway)
      conversation.socket.write(head)
      const text = await conversation.until((received) => parseAnswer(received) !== null)
      const answer = parseAnswer(text)
      conversation.socket.destroy()
      assert.ok(!text.includes('100 Continue'))
      assert.deepEqual([answer?.status, answer?.code], want)
      assert.deepEqual([stack.kms.calls, stack.server.counted()], [[], ['HeadObject']])
    }
  })

  it('CopyObject_conditionFails costs the same', async () => {
    forget()
    const copy = { Bucket, Key: 'there', CopySource: `${Bucket}/there`, StorageClass: 'STANDARD' } as const
    const refused = stack.s3.send(new CopyObjectCommand({ ...copy, IfNoneMatch: '*' }))
    await fails(refused, 'PreconditionFailed', 412)
    assert.deepEqual([stack.kms.calls, stack.server.counted()], [[], ['HeadObject']])
  })

  it('a condition that holds is decided by the store, and a look that comes to nothing decides nothing', async () => {
    // With its data key at hand.
    await stack.bucket.put('other', 'x')
    stack.server.counted()
    const { ETag } = await stack.bucket.put('new', 'x', { IfNoneMatch: '*' })
    assert.deepEqual(stack.server.counted(), ['HeadObject', 'PutObject'])
    answers.set('HeadObject', { status: 403, code: 'AccessDenied', times: 1 })
    await stack.bucket.put('new', 'y', { IfMatch: ETag })
    answers.set('HeadObject', { status: 403, code: 'AccessDenied', times: 1 })
    await fails(stack.bucket.put('new', 'z', { IfMatch: ETag }), 'PreconditionFailed', 412)
    assert.equal((await stack.bucket.read('new')).toString(), 'y')
  })
})

it('a condition that the store would ignore is refused before a key is asked for, on every write', async () => {
  const stack = await start(['put', 'copy', 'complete', 'copy-source-if-match'])
  try {
    stack.gateway.gateway.keys.rotate(() => true)
    const id = await stack.bucket.begin('parts')
    const part = await stack.bucket.send('parts', id, 1, randomBytes(10))
    stack.gateway.gateway.keys.rotate(() => true)
    stack.kms.calls.length = 0
    stack.server.counted()
    await fails(stack.bucket.put('k', 'x', { IfNoneMatch: '*' }), 'NotImplemented', 501)
    const copy = { Bucket, Key: 'k', CopySource: `${Bucket}/there`, IfNoneMatch: '*' }
    await fails(stack.s3.send(new CopyObjectCommand(copy)), 'NotImplemented', 501)
    await fails(stack.bucket.complete('parts', id, [part], { IfNoneMatch: '*' }), 'NotImplemented', 501)
    assert.deepEqual([stack.kms.calls, stack.server.counted()], [[], []])
  } finally {
    await stack.close()
  }
})

describe('conditional writes that meet each other in the store', () => {
  let stack: Stack
  before(async () => {
    stack = await start()
  })
  afterEach(() => answers.clear())
  after(() => stack.close())

  it('are ConditionalRequestConflict, as on AWS: nobody can say which condition held', async () => {
    const conflict = { status: 409, code: 'ConditionalRequestConflict' }
    answers.set('PutObject', { ...conflict, times: 1 })
    const put = new PutObjectCommand({ Bucket, Key: 'lock', Body: 'x', IfNoneMatch: '*' })
    await fails(stack.s3.send(put), 'ConditionalRequestConflict', 409)
    await stack.s3.send(put)
    const id = await stack.bucket.begin('parts')
    const part = await stack.bucket.send('parts', id, 1, randomBytes(10))
    answers.set('CompleteMultipartUpload', { ...conflict, times: 1 })
    const complete = stack.bucket.complete('parts', id, [part], { IfNoneMatch: '*' })
    await fails(complete, 'ConditionalRequestConflict', 409)
    await stack.bucket.complete('parts', id, [part], { IfNoneMatch: '*' })
  })

  it('on a record of our own are tried again', async () => {
    const system = { storage: stack.gateway.storage, systemBucket: 'records' }
    answers.set('PutObject', { status: 409, code: 'ConditionalRequestConflict', times: 2 })
    assert.equal(await createSystemObject(system, 'v1/test', Buffer.from('x')), true)
    assert.equal((await readSystemObject(system, 'v1/test', 10))?.toString(), 'x')
    assert.equal(await createSystemObject(system, 'v1/test', Buffer.from('y')), false)
    answers.set('PutObject', { status: 409, code: 'ConditionalRequestConflict', times: 9 })
    await assert.rejects(createSystemObject(system, 'v1/other', Buffer.from('x')), { kind: 'SlowDown' })
  })

  it('a bucket that is just being made or deleted is OperationAborted', async () => {
    answers.set('CreateBucket', { status: 409, code: 'OperationAborted', times: 1 })
    const answer = await send(stack.gateway, { method: 'PUT', target: '/another' })
    assert.deepEqual([answer.status, answer.code], [409, 'OperationAborted'])
  })
})
