/** Servers whose lists come back to where they were, or go on without anything: whoever reads them comes to an end all the same. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { storedUploads } from '../../src/gateway/stored-uploads.ts'
import { notedUploads } from '../../src/gateway/upload-names.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { foldObjects } from '../../src/storage/wire/fold-objects.ts'
import { foldUploads } from '../../src/storage/wire/fold-uploads.ts'
import { foldVersions } from '../../src/storage/wire/fold-versions.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

/** Answers in turn, over and over; a reader that asks so often would never stop. */
function turns<T>(...pages: readonly T[]): () => Promise<T> {
  let asked = 0
  return async () => {
    assert.ok(++asked < 1000, 'asked without end')
    return pages[(asked - 1) % pages.length] as T
  }
}

const senseless = {
  kind: 'ServiceUnavailable',
  reason: /makes no sense: .*(goes on, and not where|does not go on)/,
}
const forged = { kind: 'ObjectIntegrityError' }

const object = (key: string) => ({ key, size: 368, etag: 'e', lastModified: 0, storageClass: 'STANDARD' })
const upload = (key: string, uploadId: string) => ({
  key,
  uploadId,
  initiatedAt: 0,
  storageClass: 'STANDARD',
})
const version = (key: string) =>
  ({ ...object(key), versionId: 'v', isLatest: true, isDeleteMarker: false }) as const
const uploads = (key: string, uploadId: string, listed = [upload(key, uploadId)]) => ({
  ...{ uploads: listed, commonPrefixes: [], isTruncated: true },
  ...{ nextKeyMarker: key, nextUploadIdMarker: uploadId },
})
const versions = (key: string, listed = [version(key)]) => ({
  ...{ versions: listed, commonPrefixes: [], isTruncated: true },
  ...{ nextKeyMarker: key, nextVersionIdMarker: 'v' },
})
const asked = { bucket: 'b', prefix: '', delimiter: '-' }

describe('a list that is folded here', () => {
  it('of objects ends, whatever its pages hold', async () => {
    const request = { ...asked, startAfter: '', maxKeys: 10 }
    const fold = (...pages: readonly string[][]) =>
      foldObjects(request, '', turns(...pages.map((keys) => ({ objects: keys.map(object), next: '' }))))
    for (const pages of [[['a-1']], [['a-1'], ['b-1']], [['b-1'], ['a-1'], ['a-2']], [[]]])
      await assert.rejects(fold(...pages), senseless)
  })

  it('of uploads ends, whatever its pages hold', async () => {
    const request = { ...asked, keyMarker: '', uploadIdMarker: '', maxUploads: 10 }
    for (const pages of [
      [uploads('a-1', '1')],
      [uploads('a-1', '1'), uploads('b-1', '1')],
      [uploads('a', '1', []), uploads('a', '2', [])],
    ])
      await assert.rejects(foldUploads(request, turns(...pages)), senseless)
  })

  it('of versions ends, whatever its pages hold', async () => {
    const request = { ...asked, keyMarker: 'a-', versionIdMarker: '', maxKeys: 10 }
    for (const pages of [
      [versions('a-1')],
      [versions('a', []), versions('b', [])],
      [versions('a-1'), versions('c', [])],
    ])
      await assert.rejects(foldVersions(request, turns(...pages)), senseless)
  })
})

describe('a list that is read whole', () => {
  const store = (methods: object) => ({ storage: methods as Storage, systemBucket: 'records' })
  const read = async (list: AsyncIterable<unknown>) => {
    for await (const _ of list);
  }

  it('of uploads ends, in whatever order they come', async () => {
    const listed = (...pages: readonly ReturnType<typeof uploads>[]) =>
      storedUploads({ listMultipartUploads: turns(...pages) } as unknown as Storage, asked)
    await assert.rejects(read(listed(uploads('b', '1'), uploads('a', '1'))), forged)
    await assert.rejects(read(listed(uploads('a', '1'), uploads('a', '2'))), forged)
    const last = { ...uploads('a-b', '1'), isTruncated: false }
    await read(listed(uploads('b', '1'), uploads('a', '1'), uploads('a', '2'), last))
  })

  it('of noted uploads ends, and has no other names than were asked for', async () => {
    const noted = (...pages: readonly string[][]) =>
      notedUploads(
        store({
          listObjects: turns(...pages.map((commonPrefixes) => ({ objects: [], commonPrefixes, next: 't' }))),
          headObject: async () => ({ metadata: { key: 'YQ', upload: 'YQ' } }),
        }),
        'v1/mpu/b/',
      )
    await assert.rejects(read(noted(['v1/mpu/b/1/'])), forged)
    await assert.rejects(read(noted([])), forged)
    await assert.rejects(read(noted(['v1/mpu/b/1/'], ['v1/ring/b/'])), forged)
  })
})

describe('before a server that lies', () => {
  let server: S3Server
  let opened: Storage
  let answer: ((name: string) => string | null) | null = null
  before(async () => {
    server = await startS3Server({
      intercept: (name, _, response) => {
        const told = answer?.(name) ?? null
        if (told !== null) response.writeHead(200, { 'content-type': 'application/xml' }).end(told)
        return told !== null
      },
    })
    opened = await openStoreBefore(server)
  })
  after(async () => {
    answer = null
    await opened.close()
    await server.close()
  })

  it('a list of buckets ends', async () => {
    const page = (token: number) =>
      `<ListAllMyBucketsResult><Buckets><Bucket><Name>a-bucket</Name><CreationDate>2026-01-01T00:00:00Z</CreationDate></Bucket></Buckets><ContinuationToken>${token}</ContinuationToken></ListAllMyBucketsResult>`
    let pages = 0
    const lies = (token: () => number) => {
      pages = 0
      answer = (name) => {
        if (name !== 'ListBuckets') return null
        assert.ok(++pages < 1000, 'asked without end')
        return page(token())
      }
    }
    lies(() => 1)
    await assert.rejects(opened.listBuckets(), { kind: 'ServiceUnavailable' })
    assert.equal(pages, 2)
    lies(() => pages)
    await assert.rejects(opened.listBuckets(), { kind: 'ServiceUnavailable' })
    answer = null
    assert.deepEqual(
      (await opened.listBuckets()).map(({ name }) => name),
      ['records'],
    )
  })

  it('a page is no longer than was asked for, and the next one goes on behind it', async () => {
    const time = '<LastModified>2026-01-01T00:00:00Z</LastModified>'
    const entry = (key: string) =>
      `<Key>${key}</Key><Size>368</Size><ETag>"${'0'.repeat(32)}"</ETag><VersionId>1</VersionId>${time}`
    const all = (element: string) => ['a', 'b', 'd'].map((key) => `<${element}>${entry(key)}</${element}>`)
    const common = '<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>'
    const lists: Record<string, string> = {
      ListObjectsV2: `<ListBucketResult>${all('Contents').join('')}${common}</ListBucketResult>`,
      ListObjectVersions: `<ListVersionsResult>${all('Version').join('')}${common}</ListVersionsResult>`,
    }
    answer = (name) => lists[name] ?? null
    const request = { bucket: 'b', prefix: '', delimiter: '/', maxKeys: 3 }
    const page = await opened.listObjects({ ...request, startAfter: '' })
    assert.deepEqual([page.objects.map(({ key }) => key), page.commonPrefixes], [['a', 'b'], ['c/']])
    assert.ok(page.next !== undefined)
    assert.equal(page.nextMarker, 'c/')
    const markers = { keyMarker: '', versionIdMarker: '' }
    const found = await opened.versioning?.listObjectVersions({ ...request, ...markers })
    assert.deepEqual([found?.versions.map(({ key }) => key), found?.commonPrefixes], [['a', 'b'], ['c/']])
    assert.deepEqual([found?.isTruncated, found?.nextKeyMarker, found?.nextVersionIdMarker], [true, 'c/', ''])
    answer = null
  })

  it('a bucket that keeps an upload for ever is not deleted', async () => {
    const list =
      '<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><Upload><Key>k</Key><UploadId>i</UploadId><Initiated>2026-01-01T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>'
    let lists = 0
    await opened.createBucket('kept')
    answer = (name) => {
      if (name === 'DeleteBucket') return '<Error><Code>BucketNotEmpty</Code></Error>'
      if (name !== 'ListMultipartUploads') return null
      assert.ok(++lists < 100, 'asked without end')
      return list
    }
    await assert.rejects(opened.deleteBucket('kept'))
    answer = null
    await opened.deleteBucket('kept')
  })
})
