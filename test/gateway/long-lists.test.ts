/** Lists that are long, or that a store makes endless. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { listParts } from '../../src/gateway/list-parts.ts'
import { systemObjects } from '../../src/gateway/system-bucket.ts'
import { listRecords, readInit, uploadPrefix } from '../../src/gateway/upload-state.ts'
import type { ListObjectsResult, ListPartsResult } from '../../src/storage/storage.ts'
import { TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const Bucket = 'lists'
const faults = new FaultyStorage()
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: faults.wrap })
  bucket = await TestBucket.create(gateway.client(), Bucket)
})
after(() => gateway.close())

interface Upload {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
}

async function upload(key: string, parts: number): Promise<Upload> {
  const uploadId = await bucket.begin(key)
  for (let number = parts; number > 0; number--) await bucket.send(key, uploadId, number, Buffer.from('x'))
  return { bucket: Bucket, key, uploadId }
}

const recordsPrefix = (of: Upload) => `${uploadPrefix(of)}p/`

async function namesOf(prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const { key } of systemObjects(gateway.gateway, prefix)) names.push(key)
  return names
}

describe('a long list of parts', () => {
  it('leaves others their turn while its records are opened', async () => {
    const of = await upload('turns', 210)
    const init = await readInit(gateway.gateway, of)
    let turns = 0
    let counting = true
    const count = () => {
      turns += 1
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    assert.equal((await listRecords(gateway.gateway, of, init)).length, 210)
    counting = false
    assert.ok(turns >= 4, `${turns} turns`)
  })

  it('is read no further than the page that was asked for', async () => {
    const of = await upload('pages', 7)
    const numbers: number[][] = []
    for (let marker = 0, more = true; more; ) {
      const page = await listParts(gateway.gateway, { ...of, partNumberMarker: marker, maxParts: 3 })
      numbers.push(page.parts.map(({ partNumber }) => partNumber))
      marker = page.parts.at(-1)?.partNumber ?? 0
      more = page.isTruncated
    }
    assert.deepEqual(numbers, [[1, 2, 3], [4, 5, 6], [7]])
    const [last = ''] = (await namesOf(recordsPrefix(of))).slice(-1)
    const broken = last.slice(0, -1) + (last.endsWith('A') ? 'B' : 'A')
    const size = { headers: {}, metadata: {}, storageClass: 'STANDARD', size: 0, body: nothing() }
    await gateway.storage.putObject({ bucket: 'sealgate-system', key: broken, ...size })
    const early = await listParts(gateway.gateway, { ...of, partNumberMarker: 0, maxParts: 3 })
    assert.equal(early.parts.length, 3)
    await assert.rejects(listParts(gateway.gateway, { ...of, partNumberMarker: 3, maxParts: 9 }), {
      kind: 'ObjectIntegrityError',
    })
  })
})

describe('a list of the store that comes back to where it was', () => {
  it('ends what was asked, as it would never end itself', async () => {
    const prefix = recordsPrefix(await upload('endless', 3))
    const from = { bucket: 'sealgate-system', prefix, delimiter: '', startAfter: '', maxKeys: 1 }
    const { next } = await gateway.storage.listObjects(from)
    faults.once('listObjects', async (call) => ({ ...((await call()) as ListObjectsResult), next }))
    await assert.rejects(namesOf(prefix), { kind: 'ObjectIntegrityError' })
    assert.equal((await namesOf(prefix)).length, 3)
  })

  it('ends a list of parts', async () => {
    const of = await upload('endless-parts', 1)
    faults.once('listParts', async (call) => ({ ...((await call()) as ListPartsResult), isTruncated: true }))
    await assert.rejects(listParts(gateway.gateway, { ...of, partNumberMarker: 0, maxParts: 9 }), {
      kind: 'ObjectIntegrityError',
    })
  })
})

async function* nothing(): AsyncGenerator<Buffer> {}
