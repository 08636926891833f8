/** Each fault of a key service, met by every kind of request at once: what the client gets, what is logged, and that nothing is half-stored. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3ServiceException } from '@aws-sdk/client-s3'
import type { Kms, OpenedKms } from '../../src/keys/index.ts'
import { ownId } from '../../src/keys/kms/cmk-id.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { type LoggedRequest, logRequest } from '../../src/telemetry/request-log.ts'
import type { Emulator } from '../emulators/emulator.ts'
import { FAULT_TABLE, type FaultRow, type Saying } from '../keys/kms-fault-table.ts'
import { type SentPart, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { awsWorld, type KmsWorld, tencentWorld, vaultWorld } from '../lib/kms-worlds.ts'

const BODY = 'a body that is nowhere if the key service fails'
const WORLDS = { tencent: tencentWorld, aws: awsWorld, vault: vaultWorld } as const
type Name = keyof typeof WORLDS

describe('faults of a key service', { concurrency: true }, () => {
  for (const name of Object.keys(WORLDS) as Name[])
    describe(name, { concurrency: false }, () => runTable(name))
})

function runTable(name: Name): void {
  let world: KmsWorld<Emulator>
  let gateway: TestGateway
  let bucket: TestBucket
  let upload: { id: string; part: SentPart }
  /** The client of the key service. */
  let kms: OpenedKms
  let buckets = 0

  before(async () => {
    world = await WORLDS[name]()
    kms = await world.open()
    gateway = await startGateway({ keys: keys() })
  })
  after(async () => {
    kms.close()
    await gateway.close()
    await world.close()
  })

  for (const row of FAULT_TABLE) {
    const saying = row[name] as Saying<Emulator> | undefined
    if (saying === undefined) continue
    const { write = row.write, read = row.read } = saying
    it(`${row.name} (${saying.says}): ${write}; ${read}`, async () => {
      await begin()
      await refresh(saying.says === 'nothing' ? 300 : undefined)
      gateway.outcomes.length = 0
      const end = bringAbout(row, saying)
      await meet(write, read).finally(end)
      checkLog(write, read, saying)
      await refresh()
      // Of a process that knows nothing of it: this one remembers for a while what it could not open.
      const other = await startGateway({ keys: keys(), beside: gateway })
      await nothingIsLeft(TestBucket.of(other.client(), bucket.name), write, read).finally(() =>
        other.close(),
      )
    })
  }

  function keys() {
    const current: Kms = {
      generateDataKey: (id, context) => kms.kms.generateDataKey(id, context),
      encrypt: (id, key, context) => kms.kms.encrypt(id, key, context),
      decrypt: (id, wrapped, context) => kms.kms.decrypt(id, wrapped, context),
    }
    const policy = () => ({ cmk: world.cmk, retired: [] })
    // No opened key is remembered, so that every read asks.
    return { kms: current, policy, decryptCache: { maxEntries: 10, maxAgeMs: 0 } }
  }

  /** A bucket with an object, and an upload that is under way. */
  async function begin(): Promise<void> {
    bucket = await TestBucket.create(gateway.client(), `faults-${buckets++}`)
    await bucket.put('before', 'what was there before')
    const id = await bucket.begin('begun')
    upload = { id, part: await bucket.send('begun', id, 1, Buffer.from('a part')) }
  }

  /** Keys are made and asked for anew, by a client of the key service that has seen no fault yet. */
  async function refresh(timeoutMs?: number): Promise<void> {
    kms.close()
    kms = await world.open(timeoutMs)
    gateway.gateway.keys.rotate(() => true)
    gateway.gateway.uploads.clear()
  }

  function bringAbout(row: FaultRow, saying: Saying<Emulator>): () => void {
    const { emulator } = world
    // AWS goes by the whole id.
    if ('state' in saying)
      return saying.state(emulator, name === 'aws' ? world.cmk : (ownId(name, world.cmk) ?? ''))
    if (row.onlyOpening === true) emulator.outageOf = /decrypt/i
    emulator.outage = saying.fault
    return () => {
      emulator.outage = undefined
      emulator.outageOf = /./
    }
  }

  /** All kinds of requests at once, as the retries take their time. */
  async function meet(write: string, read: string): Promise<void> {
    const sealing = { put: () => bucket.put('new', BODY), begin: () => bucket.begin('new upload') }
    const opening = {
      get: () => bucket.read('before'),
      range: () => bucket.read('before', { Range: 'bytes=5-7' }),
    }
    const part = () => bucket.send('begun', upload.id, 1, Buffer.from(BODY))
    const all = [
      ...Object.entries(sealing).map(([what, run]) => ({ what, run, want: write })),
      ...Object.entries(opening).map(([what, run]) => ({ what, run, want: read })),
      // An upload whose record cannot be opened is none.
      { what: 'part', run: part, want: isForgery(read) ? '404 NoSuchUpload' : read },
    ]
    const answers = await Promise.all(all.map(async ({ run }) => answerOf(run())))
    assert.deepEqual(
      all.map(({ what }, n) => `${what}: ${answers[n]}`),
      all.map(({ what, want }) => `${what}: ${want}`),
    )
    // A list asks no key service.
    await bucket.s3.send(new ListObjectsV2Command({ Bucket: bucket.name }))
  }

  function checkLog(write: string, read: string, saying: Saying<Emulator>): void {
    const lines: string[] = []
    const log = createLog('info', { write: (line: string) => lines.push(line) })
    for (const outcome of gateway.outcomes) logRequest(log, outcome as unknown as LoggedRequest)
    const failures = lines
      .map((line) => JSON.parse(line) as { level: number; error?: string; reason?: string })
      .filter(({ error }) => error !== undefined && error !== 'NoSuchUpload')
    const opening = isForgery(read) ? 2 : 3
    const expected = (write === 'served' ? 0 : 2) + (read === 'served' ? 0 : opening)
    assert.equal(failures.length, expected, lines.join(''))
    for (const { level, error, reason } of failures) {
      assert.ok(level >= 40, 'it is the operator’s to see')
      const told = error === 'ObjectIntegrityError' ? /\w/ : new RegExp(`^KMS: .*(${saying.code.source})`)
      assert.match(reason ?? '', told)
    }
    const text = lines.join('')
    assert.ok(!text.includes(world.credential) && !text.includes('Signature='))
    assert.ok(world.emulator.secrets.size > 0)
    for (const secret of world.emulator.secrets) assert.ok(!text.includes(secret))
  }

  async function nothingIsLeft(seen: TestBucket, write: string, read: string): Promise<void> {
    const { s3, name: Bucket } = seen
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }))
    const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
    const [objects, uploads] = [Contents, Uploads].map((list) => list.map(({ Key }) => Key))
    const isWritten = write === 'served'
    assert.deepEqual(objects, isWritten ? ['before', 'new'] : ['before'])
    assert.deepEqual(uploads, isWritten ? ['begun', 'new upload'] : ['begun'])
    assert.equal((await seen.read('before')).toString(), 'what was there before')
    if (isWritten) assert.equal((await seen.read('new')).toString(), BODY)
    // The upload that was under way goes on with what it had, and a key that met the fault can be written.
    if (read === 'served') upload.part = await seen.send('begun', upload.id, 1, Buffer.from('a part'))
    await seen.complete('begun', upload.id, [upload.part])
    assert.equal((await seen.read('begun')).toString(), 'a part')
    await seen.put('new', 'x')
  }
}

function isForgery(answer: string): boolean {
  return answer.includes('ObjectIntegrityError')
}

async function answerOf(request: Promise<unknown>): Promise<string> {
  try {
    await request
    return 'served'
  } catch (error) {
    assert.ok(error instanceof S3ServiceException, String(error))
    const retryAfter = error.$response?.headers['retry-after']
    return `${error.$metadata.httpStatusCode} ${error.name}${retryAfter === undefined ? '' : ', Retry-After'}`
  }
}
