/** What the log of requests is made of, where the status on the wire does not tell it. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { collect, oneChunk } from '../lib/bytes.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { signed } from '../lib/raw-http.ts'

const faults = new FaultyStorage()
let gateway: TestGateway
before(async () => {
  gateway = await startGateway({ wrap: faults.wrap })
  await gateway.client().send(new CreateBucketCommand({ Bucket: 'bucket' }))
})
after(() => gateway.close())

async function outcomeOf(operation: string): Promise<TestGateway['outcomes'][number]> {
  for (let waited = 0; waited < 5000; waited += 20) {
    const found = gateway.outcomes.find((outcome) => outcome.operation === operation && outcome.error)
    if (found !== undefined) return found
    await sleep(20)
  }
  return assert.fail(`no outcome of ${operation}`)
}

it('a client that goes away in the middle of its upload is 499, as no answer was sent', async () => {
  const { port } = new URL(gateway.endpoint)
  const socket = connect(Number(port), '127.0.0.1')
  const request = { method: 'PUT', target: '/bucket/cut', payload: 'UNSIGNED-PAYLOAD' }
  socket.write(signed(gateway, { ...request, headers: { 'content-length': '100' } }))
  socket.end('the beginning')
  const { status, error } = await outcomeOf('PutObject')
  assert.deepEqual([status, error], [499, 'IncompleteBody'])
})

it('what stops because its client went away is no fault either', async () => {
  const { port } = new URL(gateway.endpoint)
  const socket = connect(Number(port), '127.0.0.1')
  faults.once('listObjects', async () => {
    socket.destroy()
    await sleep(200)
    throw new DOMException('This operation was aborted', 'AbortError')
  })
  socket.write(signed(gateway, { target: '/bucket?list-type=2' }))
  const { status, error } = await outcomeOf('ListObjectsV2')
  assert.deepEqual([status, error], [499, 'IncompleteBody'])
})

it('a body that breaks at a forged segment has its error, although 200 was sent', async () => {
  const s3 = gateway.client()
  await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: Buffer.alloc(3_000_000, 'x') }))
  const name = { bucket: 'bucket', key: 'k' }
  const { object, body } = await gateway.storage.getObject(name)
  const forged = await collect(body)
  forged.fill(0, 2_000_000, 2_000_016)
  await gateway.storage.putObject({ ...name, ...object, body: oneChunk(forged) })
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'k' }))
  await assert.rejects(async () => Body?.transformToByteArray())
  const { status, error } = await outcomeOf('GetObject')
  assert.deepEqual([status, error], [200, 'ObjectIntegrityError'])
})
