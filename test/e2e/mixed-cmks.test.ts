/** One bucket that moves through every key service over time, and all of its objects under each later configuration. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { VaultEmulator } from '../emulators/vault.ts'
import { runApp, type TestApp } from '../lib/app.ts'
import { TestBucket } from '../lib/bucket.ts'

const MIB = 1024 * 1024
const SEGMENT = 65_536
const Bucket = 'mixed'
const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-mixed-'))

let tencent: TencentKmsEmulator
let aws: AwsKmsEmulator
let vault: VaultEmulator
let services: Record<string, string>
let cmks: Readonly<Record<'local' | 'tencent' | 'aws' | 'vault', string>>
let app: TestApp | undefined
let bucket: TestBucket

before(async () => {
  tencent = await TencentKmsEmulator.start()
  tencent.setAccount('id', 'key')
  aws = await AwsKmsEmulator.start()
  aws.setAccount('id', 'key')
  vault = await VaultEmulator.start()
  vault.createKey('sealgate')
  services = {
    SEALGATE_TENCENT_REGION: tencent.region,
    SEALGATE_TENCENT_KMS_ENDPOINT: tencent.endpoint,
    SEALGATE_TENCENT_SECRET_ID: 'id',
    SEALGATE_TENCENT_SECRET_KEY: 'key',
    SEALGATE_AWS_KMS_REGION: aws.region,
    SEALGATE_AWS_KMS_ENDPOINT: aws.endpoint,
    SEALGATE_AWS_KMS_ACCESS_KEY_ID: 'id',
    SEALGATE_AWS_KMS_SECRET_ACCESS_KEY: 'key',
    SEALGATE_VAULT_ADDRESS: vault.endpoint,
    SEALGATE_VAULT_TOKEN: vault.createToken(),
  }
  await restart({})
  await TestBucket.create(bucket.s3, Bucket)
  const keyring = JSON.parse(readFileSync(join(dataDir, 'keyring.json'), 'utf8')) as { current: string }
  cmks = {
    local: keyring.current,
    tencent: `tencent:${tencent.createKey('sealgate')}`,
    aws: aws.createKey('sealgate'),
    vault: 'vault:sealgate',
  }
})
after(async () => {
  await app?.close()
  for (const emulator of [tencent, aws, vault]) await emulator.close()
  rmSync(dataDir, { recursive: true })
})

async function restart(env: Record<string, string>): Promise<void> {
  await app?.close()
  app = await runApp({ SEALGATE_DATA_DIR: dataDir, ...env })
  bucket = TestBucket.of(app.s3, Bucket)
}

/** Each key service, and those that can make data keys also with keys that are made here. */
const STAGES = [
  ['local', 'kms'],
  ['tencent', 'kms'],
  ['aws', 'kms'],
  ['vault', 'kms'],
  ['tencent', 'local'],
  ['aws', 'local'],
  ['local', 'local'],
] as const

interface Written {
  readonly bytes: Buffer
  readonly cmk: string
}
const written = new Map<string, Written>()
/** The upload that the stage before has begun, with its first part. */
let begun: {
  readonly key: string
  readonly id: string
  readonly first: Buffer
  readonly cmk: string
} | null = null

/** Objects of every kind. One upload has two parts, which cannot be small; it is begun here and completed by the next stage. */
async function writeStage(stage: string, cmk: string): Promise<void> {
  const one = randomBytes(2 * SEGMENT + 17)
  const part = randomBytes(SEGMENT + 5)
  const key = (name: string) => `${stage}/${name}`
  const bodies = { empty: Buffer.alloc(0), small: Buffer.from(`small of ${stage}`), single: one }
  for (const [name, body] of Object.entries(bodies))
    await wrote(key(name), body, cmk, bucket.put(key(name), body))
  await wrote(key('parts'), part, cmk, bucket.putParts(key('parts'), [part]))
  await wrote(key('copy of single'), one, cmk, copy(key('single'), key('copy of single')))
  await wrote(key('copy of parts'), part, cmk, copy(key('parts'), key('copy of parts')))
  await finishUpload()
  const id = await bucket.begin(key('begun'))
  const first = randomBytes(5 * MIB)
  await bucket.send(key('begun'), id, 1, first)
  begun = { key: key('begun'), id, first, cmk }
}

async function wrote(
  key: string,
  bytes: Buffer,
  cmk: string,
  answer: Promise<{ SSEKMSKeyId?: string | undefined }>,
): Promise<void> {
  assert.equal((await answer).SSEKMSKeyId, cmk, key)
  written.set(key, { bytes, cmk })
}

/** An upload keeps the key that it was begun with, whatever its bucket has moved to; its second part is copied from an object under another CMK. */
async function finishUpload(): Promise<void> {
  if (begun === null) return
  const { key, id, first, cmk } = begun
  const [source, { bytes }] = [...written].at(-1) ?? assert.fail()
  const part = await bucket.s3.send(
    new UploadPartCopyCommand({
      Bucket,
      Key: key,
      UploadId: id,
      PartNumber: 2,
      CopySource: encodeURI(`${Bucket}/${source}`),
      CopySourceRange: `bytes=${SEGMENT - 500}-${SEGMENT}`,
    }),
  )
  const parts = await bucket.s3.send(new ListPartsCommand({ Bucket, Key: key, UploadId: id }))
  assert.deepEqual(
    parts.Parts?.map(({ Size }) => Size),
    [first.length, 501],
  )
  const sent = (parts.Parts ?? []).map(({ PartNumber = 0, ETag }) => ({ PartNumber, ETag }))
  assert.equal(sent[1]?.ETag, part.CopyPartResult?.ETag)
  const whole = Buffer.concat([first, bytes.subarray(SEGMENT - 500, SEGMENT + 1)])
  await wrote(key, whole, cmk, bucket.complete(key, id, sent))
}

function copy(from: string, Key: string) {
  return bucket.s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: encodeURI(`${Bucket}/${from}`) }))
}

async function readAll(current: string): Promise<void> {
  await Promise.all([...written.entries()].map(([key, object]) => readEveryWay(key, object, current)))
  const { Contents = [] } = await bucket.s3.send(new ListObjectsV2Command({ Bucket }))
  const sizes = [...written].map(([key, { bytes }]) => [key, bytes.length] as const)
  assert.deepEqual(new Map(Contents.map(({ Key, Size }) => [Key, Size])), new Map(sizes))
}

async function readEveryWay(key: string, { bytes, cmk }: Written, current: string): Promise<void> {
  assert.ok((await bucket.read(key)).equals(bytes), `GET ${key}`)
  const head = await bucket.s3.send(new HeadObjectCommand({ Bucket, Key: key }))
  assert.deepEqual([head.ContentLength, head.SSEKMSKeyId], [bytes.length, cmk], `HEAD ${key}`)
  for (const [from, to] of rangesOf(bytes.length)) {
    const part = await bucket.read(key, { Range: `bytes=${from}-${to}` })
    assert.ok(part.equals(bytes.subarray(from, to + 1)), `GET ${key} ${from}-${to}`)
  }
  await copiedTo(`copied/${key}`, key, bytes, current)
}

/** A copy is under the CMK that its bucket has now, whichever the source's is. */
async function copiedTo(Key: string, from: string, bytes: Buffer, cmk: string): Promise<void> {
  assert.equal((await copy(from, Key)).SSEKMSKeyId, cmk, `COPY ${from}`)
  const tail = Math.min(bytes.length, 100)
  if (tail > 0)
    assert.ok((await bucket.read(Key, { Range: `bytes=-${tail}` })).equals(bytes.subarray(-tail)), from)
  const head = await bucket.s3.send(new HeadObjectCommand({ Bucket, Key }))
  assert.deepEqual([head.ContentLength, head.SSEKMSKeyId], [bytes.length, cmk], `COPY ${from}`)
  await bucket.s3.send(new DeleteObjectCommand({ Bucket, Key }))
}

/** Over the end of a segment, over that of a part, and the last byte. */
function rangesOf(size: number): (readonly [number, number])[] {
  const wanted = [
    [SEGMENT - 3, SEGMENT + 3],
    [5 * MIB - 2, 5 * MIB + 2],
    [size - 1, size - 1],
  ] as const
  return wanted.filter(([from, to]) => from >= 0 && to < size)
}

describe('a bucket whose objects lie under the CMKs of all four key services', () => {
  for (const [index, [provider, source]] of STAGES.entries())
    it(`${index + 1}: new objects under ${provider}, data keys made by ${source}; all older ones by GET, ranges, HEAD, COPY and LIST`, async () => {
      const cmk = cmks[provider]
      const retired = Object.values(cmks).filter((id) => id !== cmk)
      const rules = [{ match: Bucket, cmk, retired }]
      await restart({ ...services, SEALGATE_KMS_DATA_KEYS: source, SEALGATE_BUCKETS: JSON.stringify(rules) })
      await writeStage(`${index + 1}-${provider}-${source}`, cmk)
      await readAll(cmk)
    })

  it('has objects of every kind under every one of them', async () => {
    const kinds = new Map<string, Set<string>>()
    for (const [key, { cmk }] of written) {
      const [, kind = ''] = key.split('/')
      kinds.set(kind, (kinds.get(kind) ?? new Set()).add(cmk))
    }
    assert.equal(kinds.size, 7)
    for (const [kind, under] of kinds) assert.deepEqual(under, new Set(Object.values(cmks)), kind)
    for (const [emulator, calls] of [
      [tencent, ['GenerateDataKey', 'Encrypt', 'Decrypt']],
      [aws, ['GenerateDataKey', 'Encrypt', 'Decrypt']],
      [vault, ['transit/encrypt/sealgate', 'transit/decrypt/sealgate']],
    ] as const)
      for (const call of calls) assert.ok(emulator.count(call) > 0, call)
  })
})
