import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { realStore } from '../lib/real-store.ts'
import { type S3Stack, startEmulatedStack, startS3Stack } from '../lib/s3-stack.ts'

const Bucket = 'locked'
const DAY_MS = 86_400_000
const PART = 5 * 1024 * 1024
/** Whole seconds: some servers keep no more. */
const later = (days: number) => new Date(Math.ceil(Date.now() / 1000 + days * 86_400) * 1000)

const stacks: Readonly<Record<string, () => Promise<S3Stack>>> = {
  'Object Lock': () => startS3Stack(),
  ...(realStore() === null
    ? {
        'Object Lock, over a server that loses the locks of uploads and pins no copies,': () =>
          startEmulatedStack({ ignores: ['copy-source-if-match', 'upload-marks'] }),
      }
    : {}),
}

for (const [name, start] of Object.entries(stacks)) describe(name, () => suite(start))

function suite(start: () => Promise<S3Stack>): void {
  let stack: S3Stack
  let s3: sdk.S3Client
  before(async () => {
    stack = await start()
    s3 = stack.s3
    await s3.send(new sdk.CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    await TestBucket.create(s3, 'without-lock')
  })
  after(() => stack.close())

  const put = (Key: string, more: object = {}) =>
    s3.send(new sdk.PutObjectCommand({ Bucket, Key, Body: 'value', ...more }))
  const head = (Key: string, VersionId?: string) =>
    s3.send(new sdk.HeadObjectCommand({ Bucket, Key, VersionId }))
  const remove = (Key: string, VersionId: string | undefined, more: object = {}) =>
    s3.send(new sdk.DeleteObjectCommand({ Bucket, Key, VersionId, ...more }))
  const retain = (Key: string, Mode: sdk.ObjectLockRetentionMode, days: number, more: object = {}) =>
    s3.send(
      new sdk.PutObjectRetentionCommand({
        ...{ Bucket, Key, Retention: { Mode, RetainUntilDate: later(days) } },
        ...more,
      }),
    )
  const hold = (Key: string, Status: sdk.ObjectLockLegalHoldStatus, VersionId?: string) =>
    s3.send(new sdk.PutObjectLegalHoldCommand({ Bucket, Key, VersionId, LegalHold: { Status } }))
  const configuration = async () =>
    (await s3.send(new sdk.GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration
  const configure = (DefaultRetention?: sdk.DefaultRetention) =>
    s3.send(
      new sdk.PutObjectLockConfigurationCommand({
        Bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          ...(DefaultRetention === undefined ? {} : { Rule: { DefaultRetention } }),
        },
      }),
    )

  it('is for buckets that were made with it, which then have versions', async () => {
    assert.deepEqual(await configuration(), { ObjectLockEnabled: 'Enabled' })
    const { Status } = await s3.send(new sdk.GetBucketVersioningCommand({ Bucket }))
    assert.equal(Status, 'Enabled')
    const other = { Bucket: 'without-lock' }
    await fails(
      s3.send(new sdk.GetObjectLockConfigurationCommand(other)),
      'ObjectLockConfigurationNotFoundError',
      404,
    )
    const lock = { ObjectLockMode: 'GOVERNANCE' as const, ObjectLockRetainUntilDate: later(1) }
    const locked = s3.send(new sdk.PutObjectCommand({ ...other, Key: 'k', Body: 'x', ...lock }))
    await fails(locked, 'InvalidRequest', 400)
    await fails(s3.send(new sdk.HeadObjectCommand({ ...other, Key: 'k' })), 'NotFound', 404)
  })

  it('retains a version in the mode GOVERNANCE until it is bypassed, and shows it', async () => {
    const until = later(2)
    const { VersionId } = await put('governed', {
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: until,
    })
    const shown = await head('governed')
    assert.deepEqual(
      [shown.ObjectLockMode, shown.ObjectLockRetainUntilDate?.getTime()],
      ['GOVERNANCE', until.getTime()],
    )
    const { Retention } = await s3.send(new sdk.GetObjectRetentionCommand({ Bucket, Key: 'governed' }))
    assert.deepEqual(Retention, { Mode: 'GOVERNANCE', RetainUntilDate: until })
    await fails(remove('governed', VersionId), 'AccessDenied', 403)
    const { DeleteMarker, VersionId: marker } = await remove('governed', undefined)
    assert.equal(DeleteMarker, true)
    await remove('governed', marker)
    assert.equal((await head('governed')).VersionId, VersionId)
    await remove('governed', VersionId, { BypassGovernanceRetention: true })
    await fails(head('governed'), 'NotFound', 404)
  })

  it('holds a version as long as it says so', async () => {
    const { VersionId } = await put('held', { ObjectLockLegalHoldStatus: 'ON' })
    assert.equal((await head('held')).ObjectLockLegalHoldStatus, 'ON')
    await fails(remove('held', VersionId, { BypassGovernanceRetention: true }), 'AccessDenied', 403)
    await hold('held', 'OFF', VersionId)
    const { LegalHold } = await s3.send(new sdk.GetObjectLegalHoldCommand({ Bucket, Key: 'held', VersionId }))
    assert.deepEqual(LegalHold, { Status: 'OFF' })
    await remove('held', VersionId)
  })

  it('keeps its bucket as long as a version is held, and no longer', async () => {
    const whole = 'locked-to-the-end'
    await s3.send(new sdk.CreateBucketCommand({ Bucket: whole, ObjectLockEnabledForBucket: true }))
    const held = { Bucket: whole, Key: 'held' }
    const { VersionId } = await s3.send(
      new sdk.PutObjectCommand({ ...held, Body: 'value', ObjectLockLegalHoldStatus: 'ON' }),
    )
    const { VersionId: marker } = await s3.send(new sdk.DeleteObjectCommand(held))
    const removeBucket = () => s3.send(new sdk.DeleteBucketCommand({ Bucket: whole }))
    await fails(removeBucket(), 'BucketNotEmpty', 409)
    await s3.send(new sdk.DeleteObjectCommand({ ...held, VersionId: marker }))
    await fails(s3.send(new sdk.DeleteObjectCommand({ ...held, VersionId })), 'AccessDenied', 403)
    await fails(removeBucket(), 'BucketNotEmpty', 409)
    await s3.send(
      new sdk.PutObjectLegalHoldCommand({ ...held, VersionId, LegalHold: { Status: 'OFF' as const } }),
    )
    await s3.send(new sdk.DeleteObjectCommand({ ...held, VersionId }))
    await removeBucket()
    await fails(s3.send(new sdk.HeadObjectCommand(held)), 'NotFound', 404)
  })

  it('is put on a version that is there, and bypassed where many are deleted', async () => {
    const { VersionId } = await put('later')
    await fails(
      s3.send(new sdk.GetObjectRetentionCommand({ Bucket, Key: 'later' })),
      'NoSuchObjectLockConfiguration',
      404,
    )
    await retain('later', 'GOVERNANCE', 3, { VersionId })
    assert.equal((await head('later')).ObjectLockMode, 'GOVERNANCE')
    await fails(retain('later', 'GOVERNANCE', 1), 'AccessDenied', 403)
    await retain('later', 'GOVERNANCE', 1, { BypassGovernanceRetention: true })
    const many = (more: object = {}) =>
      s3.send(
        new sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'later', VersionId }] }, ...more }),
      )
    const refused = await many()
    assert.deepEqual([refused.Errors?.[0]?.Code, refused.Deleted ?? []], ['AccessDenied', []])
    assert.equal((await many({ BypassGovernanceRetention: true })).Deleted?.length, 1)
  })

  it('by default is on every write, of parts and copies too, and hampers none of them', async () => {
    await configure({ Mode: 'GOVERNANCE', Days: 1 })
    assert.deepEqual((await configuration())?.Rule?.DefaultRetention, { Mode: 'GOVERNANCE', Days: 1 })
    const bucket = TestBucket.of(s3, Bucket)
    const large = randomBytes(300_000)
    await bucket.put('default', large)
    await bucket.putParts('by-parts', [randomBytes(PART), randomBytes(10)])
    await s3.send(new sdk.CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/default` }))
    const gone = await bucket.begin('gone')
    await bucket.send('gone', gone, 1, randomBytes(10))
    await s3.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key: 'gone', UploadId: gone }))
    for (const Key of ['default', 'by-parts', 'copy']) {
      const { ObjectLockMode, ObjectLockRetainUntilDate, VersionId } = await head(Key)
      assert.equal(ObjectLockMode, 'GOVERNANCE', Key)
      const left = (ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now()
      assert.ok(left > DAY_MS / 2 && left <= DAY_MS + 5000, Key)
      await fails(remove(Key, VersionId), 'AccessDenied', 403)
    }
    assert.ok((await bucket.read('copy')).equals(large))
    await configure()
    const { VersionId } = await bucket.put('free', 'x')
    await remove('free', VersionId)
    for (const Key of ['default', 'by-parts', 'copy'])
      await remove(Key, (await head(Key)).VersionId, { BypassGovernanceRetention: true })
  })

  it('comes with an upload by parts and with a copy that ask for it', async () => {
    const lock = { ObjectLockMode: 'GOVERNANCE' as const, ObjectLockRetainUntilDate: later(2) }
    const bucket = TestBucket.of(s3, Bucket)
    const id = await bucket.begin('parts', { ...lock, ObjectLockLegalHoldStatus: 'ON' })
    await bucket.complete('parts', id, [await bucket.send('parts', id, 1, randomBytes(10))])
    const parts = await head('parts')
    assert.deepEqual([parts.ObjectLockMode, parts.ObjectLockLegalHoldStatus], ['GOVERNANCE', 'ON'])
    await s3.send(
      new sdk.CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/parts`, ...lock }),
    )
    const copied = await head('copied')
    assert.equal(copied.ObjectLockMode, 'GOVERNANCE')
    assert.notEqual(copied.ObjectLockLegalHoldStatus, 'ON')
    await hold('parts', 'OFF')
    for (const Key of ['parts', 'copied'])
      await remove(Key, (await head(Key)).VersionId, { BypassGovernanceRetention: true })
  })

  it('is refused where it makes no sense, before anything is stored', async () => {
    const until = later(1)
    for (const more of [
      { ObjectLockMode: 'GOVERNANCE' },
      { ObjectLockRetainUntilDate: until },
      { ObjectLockMode: 'FOREVER', ObjectLockRetainUntilDate: until },
      { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: later(-1) },
      { ObjectLockLegalHoldStatus: 'MAYBE' },
    ])
      await fails(put('odd', more), 'InvalidArgument', 400)
    await fails(head('odd'), 'NotFound', 404)
    for (const [retention, code] of [
      [{ Mode: 'GOVERNANCE', Days: 1, Years: 1 }, 'MalformedXML'],
      [{ Mode: 'GOVERNANCE' }, 'MalformedXML'],
      [{ Days: 1 }, 'MalformedXML'],
      [{ Mode: 'FOREVER', Days: 1 }, 'MalformedXML'],
      [{ Mode: 'GOVERNANCE', Days: 0 }, 'InvalidArgument'],
      [{ Mode: 'GOVERNANCE', Years: 101 }, 'InvalidArgument'],
    ] as [sdk.DefaultRetention, string][])
      await fails(configure(retention), code, 400)
    const { VersionId } = await put('there')
    await fails(retain('there', 'GOVERNANCE', -1), 'InvalidArgument', 400)
    const half = { Retention: { Mode: 'GOVERNANCE' as const } }
    await fails(retain('there', 'GOVERNANCE', 1, half), 'MalformedXML', 400)
    await fails(hold('missing', 'ON'), 'NoSuchKey', 404)
    await remove('there', VersionId)
  })
}
