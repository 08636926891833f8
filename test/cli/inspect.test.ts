import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { storedSize } from '../../src/envelope/index.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { storedOf } from '../recovery/helpers.ts'
import { type CaptureOptions, capture } from './capture.ts'

const MIB = 1024 * 1024
const home = mkdtempSync(join(tmpdir(), 'sealgate-inspect-'))
let gateway: TestGateway
let cmk: string

before(async () => {
  gateway = await startGateway()
  cmk = gateway.gateway.keys.cmkOf('photos')
  const bucket = await TestBucket.create(gateway.client(), 'photos')
  await bucket.put('cat', 'meow', { ContentType: 'image/x', ChecksumAlgorithm: 'SHA256' })
  await bucket.putParts('film', [Buffer.alloc(5 * MIB), Buffer.alloc(10)])
  const { bytes, ...attributes } = await storedOf(gateway.storage, 'photos', 'cat')
  writeFileSync(join(home, 'cat'), bytes)
  writeFileSync(join(home, 'cat.metadata.json'), JSON.stringify(attributes))
  const changed = { ...attributes, headers: { 'content-type': 'text/html' } }
  writeFileSync(join(home, 'changed.json'), JSON.stringify(changed))
})
after(async () => {
  await gateway.close()
  rmSync(home, { recursive: true })
})

function inspect(args: readonly string[], { environment, ...options }: CaptureOptions = {}) {
  return capture(['inspect', ...args], {
    environment: { SEALGATE_DATA_DIR: gateway.directory, ...environment },
    ...options,
  })
}

async function json(args: readonly string[], status = 0, options: CaptureOptions = {}) {
  const run = await inspect([...args, '--json'], options)
  assert.equal(run.status, status, run.stderr)
  return JSON.parse(run.stdout.toString()) as {
    kind: string
    cmkId: string
    plainSize: number
    storedSize: number
    wrappedDekBytes: number
    opened: null | {
      metadata: string
      checksums: { algorithm: string }[] | null
      parts: { size: number }[] | null
    }
    reason: null | { finding: string; message: string }
  }
}

const CAT = ['-b', 'photos', '-k', 'cat']

describe('sealgate inspect', () => {
  it('shows an object of the store: envelope, sizes, checksums, parts', async () => {
    const cat = await json(['s3://photos/cat'])
    assert.deepEqual(
      [cat.kind, cat.cmkId, cat.plainSize, cat.storedSize, cat.wrappedDekBytes, cat.reason],
      ['single', cmk, 4, storedSize(4), 80, null],
    )
    assert.equal(cat.opened?.metadata, 'authentic')
    assert.ok(cat.opened?.checksums?.some(({ algorithm }) => algorithm === 'SHA256'))
    const film = await json(['s3://photos/film'])
    assert.deepEqual([film.kind, film.plainSize], ['multipart', 5 * MIB + 10])
    assert.deepEqual(
      film.opened?.parts?.map(({ size }) => size),
      [5 * MIB, 10],
    )
    const text = (await inspect(['s3://photos/film'])).stdout.toString()
    assert.match(text, /multipart\n/)
    assert.match(text, /size +5242890 bytes, stored as \d+ \(\d+ more, 0\.0\d+ %\)/)
    assert.match(text, /parts +2\n {2}part 1 +5242880 bytes/)
  })

  it('needs no key for the envelope, of the store or of a file, nor the object itself', async () => {
    const without = { environment: { SEALGATE_KEYRING: join(home, 'none') } }
    const stored = await json(['s3://photos/cat', '--no-kms'], 0, without)
    assert.deepEqual([stored.plainSize, stored.opened, stored.reason], [4, null, null])
    const file = await json([join(home, 'cat')], 0, without)
    assert.deepEqual([file.storedSize, file.cmkId], [storedSize(4), cmk])
    const envelope = await json(['-m', join(home, 'cat.metadata.json')], 0, without)
    assert.deepEqual([envelope.plainSize, envelope.storedSize], [4, null])
    assert.match(
      (await inspect([join(home, 'cat')], without)).stdout.toString(),
      /not tried: give --bucket and --key/,
    )
  })

  it('opens an envelope without its object, and metadata from standard input', async () => {
    const alone = await json(['-m', join(home, 'cat.metadata.json'), ...CAT])
    assert.deepEqual(
      [alone.opened?.metadata, alone.opened?.checksums, alone.opened?.parts],
      ['authentic', null, null],
    )
    const run = await inspect(['-m', '-', ...CAT], {
      input: Buffer.from(JSON.stringify(JSON.parse('{"sealgate": "x"}'))),
    })
    assert.equal(run.status, 1)
    assert.match(run.stderr, /envelope does not decode/)
  })

  it('gives its verdict by the exit status', async () => {
    const changed = await json([join(home, 'cat'), ...CAT, '-m', join(home, 'changed.json')], 1)
    assert.equal(changed.opened?.metadata, 'changed')
    const renamed = await json([join(home, 'cat'), '-b', 'photos', '-k', 'dog'], 1)
    assert.deepEqual([renamed.opened, renamed.reason?.finding], [null, 'name'])
    const keyless = await json(['s3://photos/cat'], 2, {
      environment: { SEALGATE_KEYRING: join(home, 'none') },
    })
    assert.deepEqual([keyless.plainSize, keyless.opened], [4, null])
    assert.match(keyless.reason?.message ?? '', /no keyring/)
  })

  it('lists what lies below a prefix, and under which CMKs', async () => {
    const run = await inspect(['s3://'])
    assert.equal(run.status, 0, run.stderr)
    const lines = run.stdout.toString().trim().split('\n')
    assert.match(lines[0] ?? '', /^s3:\/\/photos\/cat {2}4 bytes {2}single {2}CMK local:/)
    assert.equal(lines.at(-1), `2 under the CMK ${cmk}`)
    const asJson = (await inspect(['s3://photos/c', '-r', '--json'])).stdout.toString().trim().split('\n')
    assert.deepEqual(JSON.parse(asJson[1] ?? ''), { summary: { byCmk: { [cmk]: 1 }, failed: 0 } })
  })
})
