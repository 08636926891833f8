/** One bucket that moves through every key service over time, and all of its objects under each later configuration. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import { capture } from '../cli/capture.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { VaultEmulator } from '../emulators/vault.ts'
import { runApp, type TestApp } from '../lib/app.ts'
import { TestBucket } from '../lib/bucket.ts'
import { storedOf } from '../recovery/helpers.ts'

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
  const bodies = { empty: Buffer.alloc(0), single: one }
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
  const Objects = [...written.keys()].map((key) => ({ Key: `copied/${key}` }))
  await bucket.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
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
  const range = bytes.length === 0 ? {} : { Range: 'bytes=-100' }
  assert.ok((await bucket.read(Key, range)).equals(bytes.subarray(-100)), `COPY ${from}`)
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
    assert.equal(kinds.size, 6)
    for (const [kind, under] of kinds) assert.deepEqual(under, new Set(Object.values(cmks)), kind)
    for (const [emulator, calls] of [
      [tencent, ['GenerateDataKey', 'Encrypt', 'Decrypt']],
      [aws, ['GenerateDataKey', 'Encrypt', 'Decrypt']],
      [vault, ['transit/encrypt/sealgate', 'transit/decrypt/sealgate']],
    ] as const)
      for (const call of calls) assert.ok(emulator.count(call) > 0, call)
  })
})

describe('the same bucket without its gateway', () => {
  const home = join(dataDir, 'recovered')
  const everything = () => ({
    ...services,
    SEALGATE_DATA_DIR: dataDir,
    SEALGATE_BUCKETS: JSON.stringify([
      { match: Bucket, cmk: cmks.local, retired: Object.values(cmks).slice(1) },
    ]),
  })

  before(async () => {
    await app?.close()
    app = undefined
    mkdirSync(home)
  })

  it('opens as a whole with access to the key services, and is told apart by CMK without', async () => {
    const out = join(home, 'all')
    const opened = await capture(['decrypt', `s3://${Bucket}/`, '-o', out], { environment: everything() })
    assert.equal(opened.status, 0, opened.stderr)
    for (const [key, { bytes }] of written) assert.ok(readFileSync(join(out, key)).equals(bytes), key)
    const list = ['inspect', `s3://${Bucket}/`, '--no-kms', '--json']
    const listed = await capture(list, { environment: { SEALGATE_DATA_DIR: dataDir } })
    const last = listed.stdout.toString().trim().split('\n').at(-1) ?? ''
    const byCmk: Record<string, number> = {}
    for (const { cmk } of written.values()) byCmk[cmk] = (byCmk[cmk] ?? 0) + 1
    assert.deepEqual(JSON.parse(last), { summary: { byCmk, failed: 0 } }, listed.stderr)
  })

  it('a downloaded object opens with its own key service alone: a file, and a range of standard input', async () => {
    const storage = await openFilesystemStorage({ directory: join(dataDir, 'store'), readOnly: true })
    const { bytes: record } = await storedOf(storage, 'sealgate-system', 'v1/realm')
    const { realm } = JSON.parse(record.toString()) as { realm: string }
    const alone: Readonly<Record<keyof typeof cmks, Record<string, string>>> = {
      local: { SEALGATE_KEYRING: join(dataDir, 'keyring.json') },
      tencent: {
        SEALGATE_KMS: 'tencent',
        SEALGATE_TENCENT_KMS_KEY_ID: cmks.tencent.slice('tencent:'.length),
      },
      aws: { SEALGATE_KMS: 'aws', SEALGATE_AWS_KMS_KEY_ID: cmks.aws },
      vault: { SEALGATE_KMS: 'vault', SEALGATE_VAULT_KEY: 'sealgate' },
    }
    const runs: Promise<void>[] = []
    for (const [index, [provider]] of STAGES.slice(0, 4).entries()) {
      const prefix = `SEALGATE_${provider.toUpperCase()}_`
      const own = Object.entries(services).filter(([name]) => name.startsWith(prefix))
      const environment = {
        ...Object.fromEntries(own),
        ...alone[provider],
        SEALGATE_DATA_DIR: join(home, 'none'),
      }
      const key = `${index + 1}-${provider}-kms/begun`
      const file = join(home, provider)
      const { bytes: stored, ...metadata } = await storedOf(storage, Bucket, key)
      writeFileSync(file, stored)
      writeFileSync(`${file}.metadata.json`, JSON.stringify(metadata))
      runs.push(opensAlone({ file, key, realm, environment }))
    }
    await storage.close()
    await Promise.all(runs)
    assert.ok(!existsSync(join(home, 'none')))
  })
})

interface Downloaded {
  readonly file: string
  readonly key: string
  readonly realm: string
  readonly environment: Record<string, string>
}

async function opensAlone({ file, key, realm, environment }: Downloaded): Promise<void> {
  const { bytes } = written.get(key) ?? assert.fail(key)
  const names = ['-b', Bucket, '-k', key, '--realm', realm, '-m', `${file}.metadata.json`]
  const range = ['--range', `${5 * MIB - 2}-${5 * MIB + 2}`]
  const part = bytes.subarray(5 * MIB - 2, 5 * MIB + 3)
  const input = readFileSync(file)
  for (const [args, want] of [
    [[file], bytes],
    [['-', ...range], part],
  ] as const) {
    const { status, stdout, stderr } = await capture(['decrypt', ...args, ...names], { environment, input })
    assert.equal(status, 0, stderr)
    assert.ok(stdout.equals(want), `${key}: ${args.join(' ')}`)
  }
}
