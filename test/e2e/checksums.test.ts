/** Checksums of plaintext as clients ask for them, send them and get them back. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  CopyObjectCommand,
  GetObjectAttributesCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { createChecksum } from '../../src/base/checksum.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, type RawRequest, send } from '../lib/raw-http.ts'

const MIB = 1024 * 1024
const Bucket = 'checksums'
const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

const call = (
  method: string,
  path: string,
  headers: RawRequest['headers'] = {},
  body: Buffer | string = '',
) => send(gateway, { method, target: `/${Bucket}/${path}`, headers, body })
const outcome = ({ status, code }: RawAnswer) => [status, code]
const header = (algorithm: ChecksumAlgorithm) => `x-amz-checksum-${algorithm.toLowerCase()}`
const ENABLED = { 'x-amz-checksum-mode': 'ENABLED' }

function digest(algorithm: (typeof ALGORITHMS)[number], bytes: Buffer): Buffer {
  if (algorithm === 'SHA1' || algorithm === 'SHA256') return createHash(algorithm).update(bytes).digest()
  const running = createChecksum(algorithm)
  running.update(bytes)
  return running.digest()
}

/** What an answer says of checksums. */
function told({ headers }: RawAnswer): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-amz-checksum-')))
}

describe('checksums of a single PUT', () => {
  for (const algorithm of ALGORITHMS) {
    it(`PutObject_checksum ${algorithm} in a header is checked, echoed, and told to those who ask`, async () => {
      const body = randomBytes(70_000)
      const value = digest(algorithm, body).toString('base64')
      const want = { [header(algorithm)]: value, 'x-amz-checksum-type': 'FULL_OBJECT' }
      const put = await call('PUT', algorithm, { [header(algorithm)]: value }, body)
      assert.deepEqual([put.status, told(put)], [200, want])
      for (const method of ['GET', 'HEAD']) {
        assert.deepEqual(told(await call(method, algorithm, ENABLED)), want, method)
        assert.deepEqual(told(await call(method, algorithm)), {}, `${method} without asking`)
        const ranged = await call(method, algorithm, { ...ENABLED, range: 'bytes=0-9' })
        assert.deepEqual([ranged.status, told(ranged)], [206, {}], `${method} of a range`)
        const part = await call(method, `${algorithm}?partNumber=1`, ENABLED)
        assert.deepEqual([part.status, told(part)], [206, want], `${method} of part 1`)
        assert.equal(part.headers.get('content-range'), `bytes 0-69999/70000`)
        assert.equal(part.headers.has('x-amz-mp-parts-count'), false)
      }
      const wrong = digest(algorithm, Buffer.from('other')).toString('base64')
      const refused = await call('PUT', `${algorithm}-bad`, { [header(algorithm)]: wrong }, body)
      assert.deepEqual(outcome(refused), [400, 'BadDigest'])
      const none = await call('PUT', `${algorithm}-bad`, { [header(algorithm)]: 'bad' }, body)
      assert.deepEqual(outcome(none), [400, 'InvalidRequest'])
      assert.deepEqual(outcome(await call('GET', `${algorithm}-bad`)), [404, 'NoSuchKey'])
    })
  }

  it('CopyObject_checksums of the source stay those of the copy', async () => {
    const body = randomBytes(1000)
    await bucket.put('source', body, { ChecksumAlgorithm: 'SHA256' })
    const { CopyObjectResult } = await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/source` }),
    )
    const value = digest('SHA256', body).toString('base64')
    assert.equal(CopyObjectResult?.ChecksumSHA256, value)
    assert.equal(told(await call('HEAD', 'copy', ENABLED))[header('SHA256')], value)
  })
})

describe('checksums of multipart uploads', () => {
  const bodies = [randomBytes(5 * MIB), randomBytes(1234)]
  const whole = Buffer.concat(bodies)
  const kinds: [ChecksumAlgorithm, asked: ChecksumType | undefined, is: ChecksumType][] = [
    ['CRC32', undefined, 'COMPOSITE'],
    ['CRC32C', undefined, 'COMPOSITE'],
    ['CRC64NVME', undefined, 'FULL_OBJECT'],
    ['SHA1', undefined, 'COMPOSITE'],
    ['SHA256', undefined, 'COMPOSITE'],
    ['CRC32', 'FULL_OBJECT', 'FULL_OBJECT'],
    ['CRC32C', 'FULL_OBJECT', 'FULL_OBJECT'],
  ]
  for (const [algorithm, asked, type] of kinds as [
    (typeof ALGORITHMS)[number],
    ChecksumType?,
    ChecksumType?,
  ][]) {
    it(`CompleteMultipartUpload_checksum ${algorithm}, ${asked ?? 'no type'} asked, is ${type}`, async () => {
      const key = `${algorithm}-${asked}`
      const typed = asked === undefined ? {} : { 'x-amz-checksum-type': asked }
      const created = await call('POST', `${key}?uploads=`, {
        'x-amz-checksum-algorithm': algorithm,
        ...typed,
      })
      const kind = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }
      assert.deepEqual(told(created), kind)
      const id = /<UploadId>([^<]+)</.exec(created.body)?.[1] ?? ''
      const parts: string[] = []
      for (const [n, body] of bodies.entries()) {
        const value = digest(algorithm, body).toString('base64')
        const target = `${key}?partNumber=${n + 1}&uploadId=${id}`
        const sent = await call('PUT', target, { [header(algorithm)]: value }, body)
        assert.deepEqual([sent.status, told(sent)], [200, { [header(algorithm)]: value }])
        const etag = sent.headers.get('etag')
        parts.push(
          `<Part><PartNumber>${n + 1}</PartNumber><ETag>${etag}</ETag><Checksum${algorithm}>${value}</Checksum${algorithm}></Part>`,
        )
      }
      const listed = await call('GET', `${key}?uploadId=${id}`)
      assert.match(listed.body, new RegExp(`<ChecksumAlgorithm>${algorithm}<.*<ChecksumType>${type}<`))
      const each = bodies.map((body) => digest(algorithm, body))
      for (const value of each)
        assert.ok(listed.body.includes(`>${value.toString('base64')}</Checksum${algorithm}>`))
      const value =
        type === 'FULL_OBJECT'
          ? digest(algorithm, whole).toString('base64')
          : `${digest(algorithm, Buffer.concat(each)).toString('base64')}-2`
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
      const expected = { [header(algorithm)]: value, 'x-amz-checksum-type': String(type) }
      const done = await call('POST', `${key}?uploadId=${id}`, expected, body)
      assert.equal(done.status, 200, done.body)
      assert.ok(done.body.includes(`<Checksum${algorithm}>${value}</Checksum${algorithm}>`))
      for (const method of ['GET', 'HEAD']) {
        assert.deepEqual(told(await call(method, key, ENABLED)), expected)
        assert.deepEqual(told(await call(method, key)), {})
        const ranged = await call(method, key, { ...ENABLED, range: 'bytes=0-9' })
        assert.deepEqual([ranged.status, told(ranged)], [206, {}])
        for (const n of [0, 1]) {
          const part = await call(method, `${key}?partNumber=${n + 1}`, ENABLED)
          const ofPart = { [header(algorithm)]: each[n]?.toString('base64'), 'x-amz-checksum-type': type }
          assert.deepEqual([part.status, told(part)], [206, ofPart], `${method} of part ${n + 1}`)
          assert.equal(part.headers.get('x-amz-mp-parts-count'), '2')
          assert.equal(part.headers.get('content-length'), String(bodies[n]?.length))
        }
      }
      const attributes = await s3.send(
        new GetObjectAttributesCommand({ Bucket, Key: key, ObjectAttributes: ['Checksum', 'ObjectParts'] }),
      )
      // Without the number of parts, which stands beside it.
      const plain = value.replace(/-2$/, '')
      assert.deepEqual(attributes.Checksum, { [`Checksum${algorithm}`]: plain, ChecksumType: type })
      assert.equal(attributes.ObjectParts?.TotalPartsCount, 2)
      assert.deepEqual(
        attributes.ObjectParts?.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
        bodies.map(({ length }, n) => [n + 1, length]),
      )
    })
  }

  it('CreateMultipartUpload_impossible kinds of checksums are InvalidRequest', async () => {
    for (const more of [
      { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' },
      { ChecksumAlgorithm: 'SHA1', ChecksumType: 'FULL_OBJECT' },
      { ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' },
      { ChecksumType: 'FULL_OBJECT' },
    ])
      await fails(bucket.begin('impossible', more), 'InvalidRequest', 400)
    const unknown = await call('POST', 'impossible?uploads=', { 'x-amz-checksum-algorithm': 'MD4' })
    assert.deepEqual(outcome(unknown), [400, 'InvalidRequest'])
  })

  it('CompleteMultipartUpload_wrongChecksum of a part or of the whole is refused, and the right one taken after it', async () => {
    const id = await bucket.begin('wrong', { ChecksumAlgorithm: 'SHA256' })
    // A client that sends no checksum of its own: the upload's is computed here.
    const plain = TestBucket.of(gateway.client({ requestChecksumCalculation: 'WHEN_REQUIRED' }), Bucket)
    const { ETag } = await plain.send('wrong', id, 1, Buffer.from('content'))
    const sum = createHash('sha256').update('content').digest()
    const part = { PartNumber: 1, ETag }
    const other = createHash('sha256').update('other').digest('base64')
    const refused = bucket.complete('wrong', id, [{ ...part, ChecksumSHA256: other } as typeof part])
    await fails(refused, 'InvalidPart', 400)
    await fails(bucket.complete('wrong', id, [part], { ChecksumSHA256: `${other}-1` }), 'BadDigest', 400)
    const composite = createHash('sha256').update(sum).digest('base64')
    const done = await bucket.complete('wrong', id, [part], { ChecksumSHA256: `${composite}-1` })
    assert.equal(done.ChecksumSHA256, `${composite}-1`)
  })
})
