import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, it } from 'node:test'
import { sealedInStore } from '../../src/recovery/store-source.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { finds, keysOf, read } from './helpers.ts'

const customerKey = randomBytes(32)
const body = randomBytes(200_000)
const name = { bucket: 'photos', key: 'mine' }
let gateway: TestGateway

before(async () => {
  gateway = await startGateway()
  const bucket = await TestBucket.create(gateway.client(), 'photos')
  const SSECustomerKey = customerKey.toString('base64')
  await bucket.put('mine', body, { SSECustomerAlgorithm: 'AES256', SSECustomerKey })
})
after(() => gateway.close())

it("an object under a customer's own key opens with that key alone", async () => {
  const sealed = await sealedInStore(gateway.storage, name)
  const refusing = { decrypting: () => assert.fail('no key service is asked') }
  const keys = keysOf(gateway, { ...refusing, allows: () => false, customerKey })
  assert.ok((await read(keys, name, sealed)).plain.equals(body))
  await finds(read(keysOf(gateway), name, sealed), 'customer-key', /--customer-key FILE/)
  await finds(
    read(keysOf(gateway, { customerKey: randomBytes(32) }), name, sealed),
    'customer-key',
    /another customer key/,
  )
  await finds(read(keys, { ...name, key: 'other' }, sealed), 'name', /not sealed as "other"/)
})
