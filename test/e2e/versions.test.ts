import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import {
  CopyObjectCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { Differences } from '../conformance/storage.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, send } from '../lib/raw-http.ts'
import { realStore } from '../lib/real-store.ts'
import { startEmulatedStack } from '../lib/s3-stack.ts'
import { VersionedBucket } from '../lib/versions.ts'

const MIB = 1024 * 1024
const lane = realStore()

interface Stack {
  readonly gateway: TestGateway
  close(): Promise<void>
}

async function overDefault(): Promise<Stack> {
  const gateway = await startGateway()
  return { gateway, close: () => gateway.close() }
}

/** Whether the lane's server differs here; the output then says so. */
function differs(difference: Exclude<keyof Differences, 'refusedNames'>, t: TestContext): boolean {
  const reason = lane?.differences[difference]
  if (reason !== undefined) t.diagnostic(`differs, ${difference}: ${reason}`)
  return reason !== undefined
}

suite(lane === null ? 'fs store' : lane.name, overDefault)
if (lane === null) suite('s3 store', startEmulatedStack)

function suite(name: string, start: () => Promise<Stack>): void {
  describe(`versions over the ${name}`, () => {
    let stack: Stack
    let gateway: TestGateway
    let s3: S3Client
    before(async () => {
      stack = await start()
      gateway = stack.gateway
      s3 = gateway.client()
    })
    after(() => stack.close())

    let buckets = 0
    const bucketOf = () => VersionedBucket.create(s3, `versions-${buckets++}`)
    const head = (bucket: VersionedBucket, Key: string, VersionId?: string) =>
      s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key, VersionId }))

    it('PutBucketVersioning_status is what GetBucketVersioning answers', async () => {
      const bucket = await bucketOf()
      assert.equal(await bucket.status(), 'Enabled')
      await bucket.set('Suspended')
      assert.equal(await bucket.status(), 'Suspended')
    })

    it('PutBucketVersioning_badDocument is refused, MFA delete by its name', async () => {
      const { name: Bucket } = await bucketOf()
      const put = async (body: string, bucket = Bucket) => {
        const answer = await send(gateway, { method: 'PUT', target: `/${bucket}?versioning`, body })
        return [answer.status, answer.code]
      }
      const document = (content: string) => `<VersioningConfiguration>${content}</VersioningConfiguration>`
      const mfa = '<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>'
      assert.deepEqual(await put(document(mfa)), [501, 'NotImplemented'])
      assert.deepEqual(await put(document('')), [400, 'IllegalVersioningConfigurationException'])
      assert.deepEqual(await put(document('<Status>On</Status>')), [400, 'MalformedXML'])
      assert.deepEqual(await put('<Versioning><Status>Enabled</Status></Versioning>'), [400, 'MalformedXML'])
      const good = document('<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>')
      assert.deepEqual(await put(good), [200, undefined])
      assert.deepEqual(await put(good, 'no-such-bucket-here'), [404, 'NoSuchBucket'])
      assert.deepEqual(await put(good, 'sealgate-system'), [404, 'NoSuchBucket'])
    })

    it('PutObject_versioned keeps what was there, and each version is read by its id', async () => {
      const bucket = await bucketOf()
      const bodies = [randomBytes(10), randomBytes(100_000), randomBytes(0)]
      const ids: string[] = []
      for (const body of bodies)
        ids.push(await bucket.put('k', body, { Metadata: { size: `${body.length}` } }))
      assert.equal(new Set(ids).size, 3)
      for (const [n, VersionId] of ids.entries()) {
        const body = bodies[n] ?? Buffer.alloc(0)
        assert.ok((await bucket.objects.read('k', { VersionId })).equals(body))
        const found = await head(bucket, 'k', VersionId)
        assert.deepEqual(
          [found.VersionId, found.ContentLength, found.Metadata, found.ServerSideEncryption],
          [VersionId, body.length, { size: `${body.length}` }, 'aws:kms'],
        )
      }
      assert.equal((await head(bucket, 'k')).VersionId, ids[2])
      const part = await s3.send(
        new GetObjectCommand({
          Bucket: bucket.name,
          Key: 'k',
          VersionId: ids[1],
          Range: 'bytes=70000-70009',
        }),
      )
      assert.ok(
        Buffer.from((await part.Body?.transformToByteArray()) ?? []).equals(
          bodies[1]!.subarray(70_000, 70_010),
        ),
      )
      assert.equal(part.VersionId, ids[1])
    })

    it('multipart objects are versions as well, also when they are not the newest', async () => {
      const bucket = await bucketOf()
      const bodies = [randomBytes(5 * MIB + 3), randomBytes(1000)]
      const { VersionId, ETag } = await bucket.objects.putParts('k', bodies)
      assert.ok(VersionId)
      const newer = await bucket.put('k', 'newer')
      const whole = Buffer.concat(bodies)
      assert.ok((await bucket.objects.read('k', { VersionId })).equals(whole))
      const range = await bucket.objects.read('k', { VersionId, Range: `bytes=${5 * MIB}-${5 * MIB + 9}` })
      assert.ok(range.equals(whole.subarray(5 * MIB, 5 * MIB + 10)))
      const second = await s3.send(
        new GetObjectCommand({ Bucket: bucket.name, Key: 'k', VersionId, PartNumber: 2 }),
      )
      assert.deepEqual([second.PartsCount, second.ContentLength], [2, 1000])
      second.Body?.transformToByteArray()
      const found = await head(bucket, 'k', VersionId)
      assert.deepEqual([found.ContentLength, found.ETag], [whole.length, ETag])
      const attributes = await s3.send(
        new GetObjectAttributesCommand({
          ...{ Bucket: bucket.name, Key: 'k', VersionId },
          ObjectAttributes: ['ObjectSize', 'ETag', 'ObjectParts'],
        }),
      )
      assert.deepEqual([attributes.ObjectSize, attributes.VersionId], [whole.length, VersionId])
      const { Versions } = await bucket.list()
      assert.deepEqual(
        Versions?.map((version) => [version.VersionId, version.Size, version.IsLatest, version.ETag]),
        [
          [newer, 5, true, (await head(bucket, 'k')).ETag],
          [VersionId, whole.length, false, ETag],
        ],
      )
    })

    it('DeleteObject_versioned hides the key, and removing the delete marker shows it again', async (t) => {
      const bucket = await bucketOf()
      const one = await bucket.put('k', 'one')
      const deleted = await bucket.remove('k')
      assert.equal(deleted.DeleteMarker, true)
      const marker = deleted.VersionId ?? ''
      const target = `/${bucket.name}/k`
      for (const method of ['GET', 'HEAD']) {
        const hidden = await send(gateway, { method, target })
        assert.equal(hidden.status, 404)
        if (differs('hiddenKeyUntold', t)) continue
        assert.deepEqual(
          [hidden.headers.get('x-amz-delete-marker'), hidden.headers.get('x-amz-version-id')],
          ['true', marker],
        )
        const named = await send(gateway, { method, target: `${target}?versionId=${marker}` })
        assert.equal(named.status, 405)
        assert.deepEqual(
          ['x-amz-delete-marker', 'x-amz-version-id', 'allow'].map((name) => named.headers.get(name)),
          ['true', marker, 'DELETE'],
        )
        if (!differs('deleteMarkerWithoutTime', t))
          assert.ok(Math.abs(Date.parse(named.headers.get('last-modified') ?? '') - Date.now()) < 60_000)
      }
      const wanted = { Bucket: bucket.name, Key: 'k', ObjectAttributes: ['ETag' as const] }
      await fails(s3.send(new GetObjectAttributesCommand(wanted)), 'NoSuchKey', 404)
      assert.equal(await bucket.text('k', one), 'one')
      const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: bucket.name }))
      assert.equal(Contents, undefined)
      const { DeleteMarkers } = await bucket.list()
      assert.deepEqual(
        DeleteMarkers?.map(({ Key, VersionId, IsLatest }) => [Key, VersionId, IsLatest]),
        [['k', marker, true]],
      )
      const shown = await bucket.remove('k', marker)
      assert.deepEqual([shown.DeleteMarker, shown.VersionId], [true, marker])
      assert.equal(await bucket.text('k'), 'one')
      const gone = await bucket.remove('k', one)
      assert.deepEqual([gone.DeleteMarker, gone.VersionId], [undefined, one])
      await fails(bucket.text('k'), 'NoSuchKey', 404)
    })

    it('DeleteBucket_versions left is BucketNotEmpty', async () => {
      const bucket = await bucketOf()
      const one = await bucket.put('k', 'one')
      const { VersionId: marker } = await bucket.remove('k')
      const remove = () => s3.send(new DeleteBucketCommand({ Bucket: bucket.name }))
      await fails(remove(), 'BucketNotEmpty', 409)
      await bucket.remove('k', one)
      await fails(remove(), 'BucketNotEmpty', 409)
      await bucket.remove('k', marker)
      await remove()
    })

    it('versions that are not there are NoSuchVersion, and ids that cannot be are InvalidArgument', async () => {
      const bucket = await bucketOf()
      const one = await bucket.put('k', 'one')
      await bucket.put('other', 'other')
      await fails(bucket.text('other', one), 'NoSuchVersion', 404)
      await fails(bucket.text('k', 'null'), 'NoSuchVersion', 404)
      await bucket.remove('k', one)
      await fails(bucket.text('k', one), 'NoSuchVersion', 404)
      for (const [query, status] of [
        ['versionId=', 400],
        ['versionId=a%20b', 400],
        [`versionId=${'x'.repeat(1025)}`, 400],
        ['versionId=%C3%A9', 400],
        ['versionId=a&versionId=b', 400],
      ] as const)
        for (const method of ['GET', 'HEAD', 'DELETE']) {
          const answer = await send(gateway, { method, target: `/${bucket.name}/other?${query}` })
          assert.equal(answer.status, status, `${method} ${query}`)
        }
      const madeUp = await send(gateway, { target: `/${bucket.name}/other?versionId=made-up` })
      assert.match(`${madeUp.status} ${madeUp.code}`, /^(400 InvalidArgument|404 NoSuchVersion)$/)
      for (const [method, target] of [
        ['PUT', `/${bucket.name}/other?versionId=${one}`],
        ['POST', `/${bucket.name}/other?uploads&versionId=${one}`],
        ['PUT', `/${bucket.name}/other?partNumber=1&uploadId=x&versionId=${one}`],
      ] as const) {
        const answer = await send(gateway, { method, target, body: 'lost' })
        assert.deepEqual([answer.status, answer.code], [400, 'InvalidArgument'], target)
      }
      assert.equal(await bucket.text('other'), 'other')
    })

    it('DeleteObjects_versions removes each version that is named, and hides each key that is not', async () => {
      const bucket = await bucketOf()
      const one = await bucket.put('a', 'one')
      const two = await bucket.put('a', 'two')
      await bucket.put('b', 'three')
      const { VersionId: marker } = await bucket.remove('c')
      const Objects = [
        { Key: 'a', VersionId: two },
        { Key: 'b' },
        ...(marker === undefined ? [] : [{ Key: 'c', VersionId: marker }]),
      ]
      const deleted = await s3.send(new DeleteObjectsCommand({ Bucket: bucket.name, Delete: { Objects } }))
      assert.equal(deleted.Errors, undefined)
      const of = (key: string) => deleted.Deleted?.find(({ Key }) => Key === key)
      assert.deepEqual(of('a'), { Key: 'a', VersionId: two })
      const hidden = of('b')
      assert.deepEqual([hidden?.DeleteMarker, hidden?.VersionId], [true, undefined])
      assert.ok(hidden?.DeleteMarkerVersionId)
      if (marker !== undefined)
        assert.deepEqual(of('c'), {
          ...{ Key: 'c', VersionId: marker, DeleteMarker: true, DeleteMarkerVersionId: marker },
        })
      assert.equal(await bucket.text('a'), 'one')
      await fails(bucket.text('b'), 'NoSuchKey', 404)
      assert.deepEqual(
        (await bucket.entries()).filter((line) => !line.startsWith('b ')),
        [`a ${one} latest`],
      )
      const refused = await s3.send(
        new DeleteObjectsCommand({
          Bucket: bucket.name,
          Delete: { Objects: [{ Key: 'a', VersionId: one, ETag: '"x"' }, { Key: 'd' }], Quiet: true },
        }),
      )
      assert.equal(refused.Deleted, undefined)
      assert.deepEqual(
        refused.Errors?.map(({ Key, VersionId, Code }) => [Key, VersionId, Code]),
        [['a', one, 'NotImplemented']],
      )
    })

    it('ListObjectVersions_pages go through all, in one order, with true sizes', async () => {
      const bucket = await bucketOf()
      const sizes: [string, number][] = []
      for (const [n, key] of ['a/1', 'a/2', 'b é+&', 'b é+&', 'c', 'c', 'c'].entries()) {
        await bucket.put(key, Buffer.alloc(n * 1000))
        sizes.push([key, n * 1000])
      }
      await bucket.remove('c')
      const all = await send(gateway, { target: `/${bucket.name}?versions&encoding-type=url` })
      // The delete marker of c is its newest, and stands before its versions in the document.
      assert.deepEqual(
        [...all.body.matchAll(/<(Version|DeleteMarker)><Key>([^<]*)/g)].map(
          ([, kind, key]) => `${kind} ${key}`,
        ),
        [
          ...['Version a/1', 'Version a/2', 'Version b%20%C3%A9%2B%26', 'Version b%20%C3%A9%2B%26'],
          ...['DeleteMarker c', 'Version c', 'Version c', 'Version c'],
        ],
      )
      assert.deepEqual(elements(all, 'IsLatest'), [
        'true',
        'true',
        'true',
        'false',
        'true',
        'false',
        'false',
        'false',
      ])
      for (const MaxKeys of [1, 2, 3, 1000]) {
        const seen: [string | undefined, number | undefined][] = []
        let markers = 0
        let next: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {}
        for (;;) {
          const page = await bucket.list({ MaxKeys, ...next })
          seen.push(...(page.Versions ?? []).map(({ Key, Size }) => [Key, Size] as [string, number]))
          markers += page.DeleteMarkers?.length ?? 0
          if (!page.IsTruncated) break
          next = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
        }
        assert.equal(markers, 1)
        const byKey = (a: (typeof seen)[number], b: (typeof seen)[number]) =>
          `${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : 1
        assert.deepEqual([...seen].sort(byKey), [...sizes].sort(byKey))
      }
      const folded = await bucket.list({ Delimiter: '/' })
      assert.deepEqual(
        [folded.CommonPrefixes, folded.Versions?.length, folded.DeleteMarkers?.length],
        [[{ Prefix: 'a/' }], 5, 1],
      )
      const prefixed = await bucket.list({ Prefix: 'a/', KeyMarker: 'a/1' })
      assert.deepEqual(
        prefixed.Versions?.map(({ Key }) => Key),
        ['a/2'],
      )
    })

    it('a suspended bucket has one version null of a key, and keeps the others', async (t) => {
      const bucket = await bucketOf()
      const one = await bucket.put('k', 'one')
      await bucket.set('Suspended')
      await bucket.objects.put('k', 'two')
      await bucket.objects.put('k', 'three')
      assert.equal(await bucket.text('k', 'null'), 'three')
      assert.deepEqual(await bucket.entries(), ['k null latest', `k ${one}`])
      const deleted = await bucket.remove('k')
      if (!differs('nullVersionUnnamed', t))
        assert.deepEqual([deleted.DeleteMarker, deleted.VersionId], [true, 'null'])
      await fails(bucket.text('k'), 'NoSuchKey', 404)
      assert.deepEqual(await bucket.entries(), [`k ${one}`, 'k null latest marker'])
      await bucket.remove('k', 'null')
      assert.equal(await bucket.text('k'), 'one')
    })

    it('CopyObject_version brings an older version back, and names both versions', async (t) => {
      const bucket = await bucketOf()
      const body = randomBytes(200_000)
      const one = await bucket.put('k', body, { Metadata: { is: 'first' } })
      const two = await bucket.put('k', 'two')
      const copy = (Key: string, versionId?: string) =>
        s3.send(
          new CopyObjectCommand({
            ...{ Bucket: bucket.name, Key },
            CopySource: `${bucket.name}/k${versionId === undefined ? '' : `?versionId=${versionId}`}`,
          }),
        )
      const restored = await copy('k', one)
      assert.equal(restored.CopySourceVersionId, one)
      assert.ok(restored.VersionId !== undefined && restored.VersionId !== one)
      const found = await head(bucket, 'k')
      assert.deepEqual([found.VersionId, found.Metadata], [restored.VersionId, { is: 'first' }])
      assert.ok((await bucket.objects.read('k')).equals(body))
      assert.equal(await bucket.text('k', two), 'two')
      const plain = await copy('copy')
      assert.equal(plain.CopySourceVersionId, restored.VersionId)
      await fails(copy('k'), 'InvalidRequest', 400)
      const { VersionId: marker } = await bucket.remove('k')
      await fails(copy('late'), 'NoSuchKey', 404)
      if (!differs('hiddenKeyUntold', t)) await fails(copy('late', marker), 'InvalidRequest', 400)
      await copy('late', two)
      assert.equal(await bucket.text('late'), 'two')
      await bucket.remove('k', two)
      await fails(copy('later', two), 'NoSuchVersion', 404)
    })

    it('UploadPartCopy_version takes its bytes out of the version that is named', async () => {
      const bucket = await bucketOf()
      const body = randomBytes(300_000)
      const one = await bucket.put('k', body)
      await bucket.put('k', 'two')
      const UploadId = await bucket.objects.begin('joined')
      const part = { Bucket: bucket.name, Key: 'joined', UploadId, PartNumber: 1 }
      const copied = await s3.send(
        new UploadPartCopyCommand({
          ...{
            ...part,
            CopySource: `${bucket.name}/k?versionId=${one}`,
            CopySourceRange: 'bytes=100-200099',
          },
        }),
      )
      assert.equal(copied.CopySourceVersionId, one)
      const listed = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))
      assert.deepEqual(
        listed.Uploads?.map((upload) => upload.Key),
        ['joined'],
      )
      const joined = await bucket.objects.complete('joined', UploadId, [
        { PartNumber: 1, ETag: copied.CopyPartResult?.ETag },
      ])
      assert.ok(joined.VersionId)
      assert.ok((await bucket.objects.read('joined')).equals(body.subarray(100, 200_100)))
    })

    it('CompleteMultipartUpload_again answers the same version, and makes no second one', async () => {
      const bucket = await bucketOf()
      const UploadId = await bucket.objects.begin('k')
      const parts = [await bucket.objects.send('k', UploadId, 1, randomBytes(5 * MIB))]
      // Of two at once a server may refuse one for now.
      const patient = TestBucket.of(gateway.client({ maxAttempts: 5 }), bucket.name)
      const complete = () => patient.complete('k', UploadId, parts)
      const [first, ...others] = await Promise.all([complete(), complete()])
      await bucket.put('k', 'newer')
      const again = await complete()
      for (const answer of [...others, again])
        assert.deepEqual([answer.VersionId, answer.ETag], [first.VersionId, first.ETag])
      assert.equal((await bucket.list()).Versions?.length, 2)
    })

    it('CompleteMultipartUpload_again whose record was lost finds the version that it made, though it is not the newest', async () => {
      const bucket = await bucketOf()
      const UploadId = await bucket.objects.begin('k')
      const parts = [await bucket.objects.send('k', UploadId, 1, randomBytes(5 * MIB))]
      const { storage, systemBucket } = gateway.gateway
      // The gateway that completes it dies before it has written down that it did.
      const kept = await recordsOf(gateway)
      const first = await bucket.objects.complete('k', UploadId, parts)
      for (const [key, bytes] of kept)
        await storage.putObject({
          ...{
            bucket: systemBucket,
            key,
            headers: {},
            metadata: {},
            storageClass: 'STANDARD',
            size: bytes.length,
          },
          body: once(bytes),
        })
      for (const key of (await recordsOf(gateway)).keys())
        if (key.endsWith('/done')) await storage.deleteObject({ bucket: systemBucket, key })
      await bucket.put('k', 'newer')
      const again = await bucket.objects.complete('k', UploadId, parts)
      assert.deepEqual([again.VersionId, again.ETag], [first.VersionId, first.ETag])
      assert.equal((await bucket.list()).Versions?.length, 2)
    })

    it('PutObject_ifNoneMatch succeeds on a key that a delete marker hides, and not on one that is there', async (t) => {
      const bucket = await bucketOf()
      await bucket.put('k', 'one')
      const create = () => bucket.put('k', 'new', { IfNoneMatch: '*' })
      await fails(create(), 'PreconditionFailed', 412)
      await bucket.remove('k')
      if (differs('versionsIgnoreConditions', t)) return fails(create(), 'NotImplemented', 501)
      await create()
      assert.equal(await bucket.text('k'), 'new')
    })

    it('SSE-C_versions open with the key that each was stored with', async () => {
      const bucket = await bucketOf()
      const [one, two] = [customerKey(), customerKey()]
      const first = await bucket.put('k', 'one', one)
      const second = await bucket.put('k', 'two', two)
      assert.equal((await bucket.objects.read('k', { VersionId: first, ...one })).toString(), 'one')
      assert.equal((await bucket.objects.read('k', { VersionId: second, ...two })).toString(), 'two')
      await fails(bucket.objects.read('k', { VersionId: first, ...two }), 'AccessDenied', 403)
    })
  })
}

describe('versions under several calls to the store', () => {
  const faults = new FaultyStorage()
  let gateway: TestGateway
  let bucket: VersionedBucket
  before(async () => {
    gateway = await startGateway({ wrap: faults.wrap })
    bucket = await VersionedBucket.create(gateway.client(), 'second-calls')
  })
  after(() => gateway.close())

  /** Between the HEAD, by which an open range begins, and the GET. */
  const readWhile = (key: string, meanwhile: () => Promise<unknown>, more: object = {}) => {
    faults.once('getObject', async (call) => {
      await meanwhile()
      return call()
    })
    return gateway
      .client()
      .send(new GetObjectCommand({ Bucket: bucket.name, Key: key, Range: 'bytes=10-', ...more }))
  }

  it('GetObject_overwritten meanwhile goes on with the version that it began with, at no further call', async () => {
    const body = randomBytes(200_000)
    const older = await bucket.put('k', body)
    const answer = await readWhile('k', () => bucket.put('k', 'newer'))
    assert.equal(answer.VersionId, older)
    assert.ok(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(body.subarray(10)))
    const hidden = await readWhile('k', () => bucket.remove('k'), { VersionId: older })
    assert.ok(Buffer.from((await hidden.Body?.transformToByteArray()) ?? []).equals(body.subarray(10)))
  })

  it('GetObject_version removed meanwhile begins again with what is there, or is NoSuchVersion if that was asked for', async () => {
    const older = await bucket.put('gone', randomBytes(200_000))
    const newer = await bucket.put('gone', 'the newer of the two')
    const answer = await readWhile('gone', async () => {
      await bucket.put('gone', 'the newest of the three')
      await bucket.remove('gone', newer)
    })
    assert.equal(await answer.Body?.transformToString(), 'the newest of the three'.slice(10))
    await fails(
      readWhile('gone', () => bucket.remove('gone', older), { VersionId: older }),
      'NoSuchVersion',
      404,
    )
  })

  it('CopyObject_overwritten meanwhile copies the version that was opened', async () => {
    const body = randomBytes(100_000)
    const older = await bucket.put('source', body)
    faults.once('copyObject', async (call) => {
      await bucket.put('source', 'newer')
      return call()
    })
    const CopySource = `${bucket.name}/source`
    const copied = await gateway
      .client()
      .send(new CopyObjectCommand({ Bucket: bucket.name, Key: 'copied', CopySource }))
    assert.equal(copied.CopySourceVersionId, older)
    assert.ok((await bucket.objects.read('copied')).equals(body))
  })
})

describe('versions over a store without them', {
  skip: lane !== null && 'of the emulated server alone',
}, () => {
  let stack: Stack
  before(async () => {
    stack = await startEmulatedStack({ ignores: ['versions'] })
  })
  after(() => stack.close())

  it('PutBucketVersioning is NotImplemented, and every object has the version null alone', async () => {
    const s3 = stack.gateway.client()
    await fails(VersionedBucket.create(s3, 'plain'), 'NotImplemented', 501)
    const bucket = TestBucket.of(s3, 'plain')
    const put = await bucket.put('k', 'value')
    assert.equal(put.VersionId, undefined)
    assert.equal((await bucket.read('k', { VersionId: 'null' })).toString(), 'value')
    await fails(bucket.read('k', { VersionId: 'made-up' }), 'InvalidArgument', 400)
    const status = await send(stack.gateway, { target: '/plain?versioning' })
    assert.ok(status.status === 200 && !status.body.includes('<Status>'))
    const list = await send(stack.gateway, { target: '/plain?versions' })
    assert.deepEqual([elements(list, 'VersionId'), elements(list, 'Size')], [['null'], ['5']])
  })
})

async function recordsOf({ gateway }: TestGateway): Promise<ReadonlyMap<string, Buffer>> {
  const { storage, systemBucket: bucket } = gateway
  const page = await storage.listObjects({
    ...{ bucket, prefix: 'v1/mpu/', delimiter: '', startAfter: '', maxKeys: 1000 },
  })
  const records = new Map<string, Buffer>()
  for (const { key } of page.objects) {
    const { body } = await storage.getObject({ bucket, key })
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    records.set(key, Buffer.concat(chunks))
  }
  return records
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}

function customerKey() {
  const key = randomBytes(32)
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  }
}

function elements({ body }: RawAnswer, name: string): string[] {
  return [...body.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) => text)
}
