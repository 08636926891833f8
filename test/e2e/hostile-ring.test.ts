import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import { DeleteBucketCommand, DeleteObjectCommand, S3ServiceException } from '@aws-sdk/client-s3'
import { systemKeyRecords } from '../../src/gateway/key-records.ts'
import { putSystemObject, readSystemObject, systemObjects } from '../../src/gateway/system-bucket.ts'
import { KeyRing, rewrap } from '../../src/keys/index.ts'
import { encodeRingRecord, parseRingRecord } from '../../src/keys/key-ring-record.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const [OLD, NEW, FOREIGN] = ['local:0000000000000001', 'local:0000000000000002', 'local:000000000000000f']
const kms = new WatchedKms('', [OLD, NEW, FOREIGN])
/** The gateway's configuration; the old CMK is the current one until it is left. */
let cmks = { cmk: OLD, retired: [] as string[] }
let gateway: TestGateway
let photos: TestBucket
let films: TestBucket
/** The whole ring as it was when the old CMK had been left. */
let intact: Map<string, Buffer>
let now = 0

before(async () => {
  // Nothing is remembered, so that every read asks the ring.
  const keys = { kms, policy: () => cmks, decryptCache: { maxEntries: 10, maxAgeMs: 0 }, now: () => now }
  gateway = await startGateway({ keys })
  const s3 = gateway.client()
  photos = await TestBucket.create(s3, 'photos')
  films = await TestBucket.create(s3, 'films')
  await photos.put('one', 'value one')
  gateway.gateway.keys.rotate(() => true)
  await photos.put('two', 'value two')
  await films.put('one', 'value three')
  cmks = { cmk: NEW, retired: [OLD] }
  const records = systemKeyRecords(gateway.gateway)
  const ring = new KeyRing({ records, realm: gateway.gateway.realm })
  const options = { ring, kms, policy: () => cmks, reEncrypting: () => null, pattern: '*' }
  const report = await rewrap({ ...options, dryRun: false, decrypt: true, callsPerSecond: 100 })
  assert.deepEqual([report.moved, report.failed], [3, 0])
  kms.faults.set(OLD, 'not-found')
  intact = await ringNow()
})
after(() => gateway.close())

beforeEach(async () => {
  muchLater()
  for (const name of (await ringNow()).keys()) await remove(name)
  for (const [name, bytes] of intact) await putSystemObject(gateway.gateway, name, bytes)
})

async function ringNow(): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for await (const { key } of systemObjects(gateway.gateway, 'v1/ring/'))
    found.set(key, (await readSystemObject(gateway.gateway, key, 1 << 20)) ?? Buffer.alloc(0))
  return found
}

const remove = (key: string) => gateway.storage.deleteObject({ bucket: 'sealgate-system', key })
const put = (name: string, bytes: Buffer) => putSystemObject(gateway.gateway, name, bytes)

/** The names of a bucket's records of a generation. */
const named = (bucket: string, generation: number) =>
  [...intact.keys()].filter(
    (name) => name.startsWith(`v1/ring/${bucket}/`) && name.endsWith(`/0000000${generation}`),
  )
const next = (name: string) => name.replace(/\d{8}$/, '00000003')

/** By then nothing that was refused is remembered. */
function muchLater(): void {
  now += 3_600_000
}

async function allOpen(): Promise<void> {
  muchLater()
  assert.equal((await photos.read('one')).toString(), 'value one')
  assert.equal((await photos.read('two')).toString(), 'value two')
  assert.equal((await films.read('one')).toString(), 'value three')
}

/** What cannot be opened is refused, by the KMS's own answer or as not authentic; nothing is ever opened as something else. */
async function noneOpensWrongly(): Promise<number> {
  muchLater()
  let refused = 0
  for (const [bucket, key, value] of [
    [photos, 'one', 'value one'],
    [photos, 'two', 'value two'],
    [films, 'one', 'value three'],
  ] as const) {
    await bucket.read(key).then(
      (bytes) => assert.equal(bytes.toString(), value),
      (error: unknown) => {
        assert.ok(error instanceof S3ServiceException, String(error))
        assert.ok(['KMS.NotFoundException', 'ObjectIntegrityError'].includes(error.name), error.name)
        refused += 1
      },
    )
  }
  return refused
}

describe('objects whose CMK is gone, and a store that tampers with the key ring', () => {
  it('open by an intact ring', allOpen)

  it('open when old generations are put over the new ones', async () => {
    for (const name of [...named('photos', 1), ...named('films', 1)]) {
      await put(next(name), intact.get(name)!)
      await put(name.replace(/\d{8}$/, '99999999'), intact.get(name)!)
    }
    await allOpen()
  })

  it('open when records of others are put among theirs', async () => {
    const [one = '', two = ''] = named('photos', 2)
    const [film = ''] = named('films', 2)
    await put(next(one), intact.get(two)!)
    await put(next(two), intact.get(film)!)
    await put(next(film), intact.get(one)!)
    const renamed = parseRingRecord(intact.get(two)!)!
    const { dekId } = parseRingRecord(intact.get(one)!)!
    await put(next(one), encodeRingRecord({ ...renamed, dekId }))
    await allOpen()
  })

  it('open when garbage and forgeries are put among theirs', async () => {
    const [one = '', two = ''] = named('photos', 2)
    const record = parseRingRecord(intact.get(one)!)!
    const context = { realm: record.realm, bucket: 'photos', dekId: record.dekId.toString('hex') }
    const wrapped = await kms.wrap(FOREIGN, randomBytes(32), context)
    kms.calls.length = 0
    await put(next(one), encodeRingRecord({ ...record, cmkId: FOREIGN, wrapped }))
    await put(next(two), randomBytes(500))
    await put(next(named('films', 2)[0] ?? ''), randomBytes(100_000))
    await allOpen()
    assert.ok(!kms.cmks().includes(FOREIGN))
  })

  it('do not open when their records are exchanged or deleted, and do again when they are back', async () => {
    const [one = '', two = ''] = named('photos', 2)
    await put(one, intact.get(two)!)
    await put(two, intact.get(one)!)
    assert.equal(await noneOpensWrongly(), 2)
    for (const name of intact.keys()) await remove(name)
    assert.equal(await noneOpensWrongly(), 3)
    for (const [name, bytes] of intact) await put(name, bytes)
    await allOpen()
  })

  it('never open as something else, whichever bit of a record is changed', async () => {
    const [one = ''] = named('photos', 2)
    const record = intact.get(one)!
    for (let byte = 0; byte < record.length; byte += 3) {
      const changed = Buffer.from(record)
      changed[byte]! ^= 1 << (byte % 8)
      await put(one, changed)
      await noneOpensWrongly()
    }
  })

  it('whose system bucket is gone are no objects of a bucket that is gone', async () => {
    const system = { bucket: 'sealgate-system' }
    for await (const { key } of systemObjects(gateway.gateway, '')) await remove(key)
    await gateway.storage.deleteBucket(system.bucket)
    await assert.rejects(photos.read('one'), { name: 'InternalError' })
    gateway.gateway.keys.rotate(() => true)
    await assert.rejects(photos.put('three', 'x'), { name: 'InternalError' })
    await gateway.storage.createBucket(system.bucket)
    for (const [name, bytes] of intact) await put(name, bytes)
    await allOpen()
  })

  it('keep their records when their bucket is deleted and made again', async () => {
    await films.s3.send(new DeleteObjectCommand({ Bucket: 'films', Key: 'one' }))
    await films.s3.send(new DeleteBucketCommand({ Bucket: 'films' }))
    const again = await TestBucket.create(films.s3, 'films')
    await again.put('new', 'value')
    assert.equal((await again.read('new')).toString(), 'value')
    for (const name of named('films', 1)) assert.ok((await ringNow()).has(name))
  })
})
