import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { getObject } from '../../src/gateway/get-object.ts'
import type { RangeRequest } from '../../src/gateway/range.ts'
import type { GetObjectResult } from '../../src/storage/storage.ts'
import { TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024
const faults = new FaultyStorage()
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: faults.wrap })
  bucket = await TestBucket.create(gateway.client(), 'bodies')
})
after(() => gateway.close())

describe("the store's body of a GET", () => {
  const ranges: [string, RangeRequest | undefined][] = [
    ['the whole', undefined],
    ['a range', { kind: 'closed', start: 10, end: 2 * MIB }],
  ]
  for (const [name, range] of ranges) {
    for (const turns of [0, 1]) {
      it(`is let go when ${name} is given up after ${turns} of its chunks`, async () => {
        await bucket.put('k', randomBytes(3 * MIB))
        let destroyed = 0
        faults.once('getObject', async (call) => {
          const answer = (await call()) as GetObjectResult
          const destroy = () => {
            destroyed += 1
            answer.body.destroy()
          }
          const body = { [Symbol.asyncIterator]: () => answer.body[Symbol.asyncIterator](), destroy }
          return { ...answer, body }
        })
        const input = { bucket: 'bodies', key: 'k', range, conditions: {}, checksums: false }
        const { body } = await getObject(gateway.gateway, input)
        const chunks = body[Symbol.asyncIterator]()
        for (let turn = 0; turn < turns; turn++) assert.equal((await chunks.next()).done, false)
        assert.equal(destroyed, 0)
        await chunks.return?.()
        assert.equal(destroyed, 1)
        assert.equal((await chunks.next()).done, true)
      })
    }
  }
})
