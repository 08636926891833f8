/**
 * What a store with versions must do (src/storage/versioning.ts), as tests: part of `storageConformance`. A store without versions says so,
 * and is asked for no more.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { isError, type SealgateError } from '../../src/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { ListObjectVersionsRequest, Versioning, VersioningStatus } from '../../src/storage/versioning.ts'
import type { Differences, OpenedStorage } from './storage.ts'

const ATTRIBUTES = {
  headers: { 'content-type': 'text/plain' },
  metadata: {},
  storageClass: 'STANDARD',
} as const
const PART = 5 * 1024 * 1024

export function versionConformance(
  name: string,
  open: () => Promise<OpenedStorage>,
  differences: Differences,
): void {
  const differs = (t: TestContext, difference: Exclude<keyof Differences, 'refusedNames'>): boolean => {
    const reason = differences[difference]
    if (reason !== undefined) t.diagnostic(`differs, ${difference}: ${reason}`)
    return reason !== undefined
  }

  describe(`${name} as a store of versions`, () => {
    let opened: OpenedStorage
    let storage: Storage
    before(async () => {
      opened = await open()
      storage = opened.storage
    })
    after(() => opened.close())

    /** A test of what a store without versions does not have. */
    const versioned = (title: string, run: (versioning: Versioning, t: TestContext) => Promise<void>) =>
      it(title, async (t) => {
        if (storage.versioning === null) return t.skip('the server behind this store has no versions')
        await run(storage.versioning, t)
      })
    const bucketOf = async (...statuses: readonly VersioningStatus[]): Promise<string> => {
      const bucket = `conformance-${randomBytes(6).toString('hex')}`
      await storage.createBucket(bucket)
      for (const status of statuses) await storage.versioning?.putBucketVersioning(bucket, status)
      return bucket
    }
    const put = async (
      bucket: string,
      key: string,
      text: string,
      condition?: { ifNoneMatch: '*' } | { ifMatch: string },
    ) => {
      const bytes = Buffer.from(text)
      const body = bodyOf(bytes)
      return storage.putObject({ bucket, key, ...ATTRIBUTES, size: bytes.length, body, condition })
    }
    const read = async (bucket: string, key: string, versionId?: string) => {
      const { body, object } = await storage.getObject({ bucket, key, versionId })
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      return { text: Buffer.concat(chunks).toString(), versionId: object.versionId }
    }
    const remove = (bucket: string, key: string, versionId?: string) =>
      storage.deleteObject({ bucket, key, versionId })
    const list = async (bucket: string, more: Partial<ListObjectVersionsRequest> = {}) => {
      assert.ok(storage.versioning !== null)
      const whole = { prefix: '', delimiter: '', keyMarker: '', versionIdMarker: '', maxKeys: 1000 }
      return storage.versioning.listObjectVersions({ bucket, ...whole, ...more })
    }
    const entriesOf = async (bucket: string) =>
      (await list(bucket)).versions.map(({ key, versionId, isLatest, isDeleteMarker }) =>
        [key, versionId, isLatest ? 'latest' : '', isDeleteMarker ? 'marker' : '']
          .filter((word) => word !== '')
          .join(' '),
      )
    const keysOf = async (bucket: string) =>
      (
        await storage.listObjects({ bucket, prefix: '', delimiter: '', startAfter: '', maxKeys: 1000 })
      ).objects.map(({ key }) => key)

    it('says whether it has versions', () => {
      assert.equal(storage.capabilities.versions, storage.versioning !== null)
    })

    versioned('of a bucket that never had versioning its answers do not speak', async (versioning) => {
      const bucket = await bucketOf()
      assert.equal(await versioning.getBucketVersioning(bucket), null)
      const { versionId, etag } = await put(bucket, 'k', 'one')
      assert.equal(versionId, undefined)
      await put(bucket, 'k', 'two')
      assert.deepEqual(await read(bucket, 'k'), { text: 'two', versionId: undefined })
      assert.equal((await read(bucket, 'k', 'null')).text, 'two')
      const { versions } = await list(bucket)
      assert.equal(versions.length, 1)
      const [version] = versions
      assert.ok(version?.isDeleteMarker === false)
      assert.deepEqual([version.versionId, version.isLatest, version.size], ['null', true, 3])
      assert.notEqual(version.etag, etag)
      const removed = await remove(bucket, 'k')
      assert.deepEqual([removed.versionId, removed.isDeleteMarker], [undefined, false])
      assert.deepEqual(await entriesOf(bucket), [])
      await storage.deleteBucket(bucket)
    })

    versioned('of a bucket that is not there it says so', async (versioning) => {
      const bucket = 'conformance-nowhere'
      await rejects(versioning.getBucketVersioning(bucket), 'NoSuchBucket')
      await rejects(versioning.putBucketVersioning(bucket, 'Enabled'), 'NoSuchBucket')
      await rejects(list(bucket), 'NoSuchBucket')
    })

    versioned(
      'keeps every version, each under its id, and gives the newest where none is asked for',
      async (versioning, t) => {
        const bucket = await bucketOf('Enabled')
        assert.equal(await versioning.getBucketVersioning(bucket), 'Enabled')
        const ids: string[] = []
        for (const text of ['one', 'two', 'three']) {
          const { versionId } = await put(bucket, 'k', text)
          assert.ok(versionId !== undefined && versionId !== 'null')
          ids.push(versionId)
        }
        const [one = '', two = '', three = ''] = ids
        assert.equal(new Set(ids).size, 3)
        assert.deepEqual(await read(bucket, 'k'), { text: 'three', versionId: three })
        assert.deepEqual(await read(bucket, 'k', one), { text: 'one', versionId: one })
        assert.deepEqual(await read(bucket, 'k', two), { text: 'two', versionId: two })
        const head = await storage.headObject({ bucket, key: 'k', versionId: one })
        assert.deepEqual([head.size, head.versionId], [3, one])
        const range = await storage.getObject({
          bucket,
          key: 'k',
          versionId: one,
          range: { suffix: 2 },
          ifMatch: head.etag,
        })
        range.body.destroy()
        assert.deepEqual([range.start, range.end], [1, 2])
        assert.deepEqual(await entriesOf(bucket), [`k ${three} latest`, `k ${two}`, `k ${one}`])
        assert.deepEqual(await keysOf(bucket), ['k'])

        await rejects(read(bucket, 'other', one), 'NoSuchVersion')
        await rejects(storage.headObject({ bucket, key: 'other', versionId: one }), 'NoSuchVersion')
        await rejects(read(bucket, 'k', 'null'), 'NoSuchVersion')
        await rejects(read(bucket, 'k', 'made up'), 'InvalidArgument', 'NoSuchVersion')
        await rejects(
          storage.headObject({ bucket, key: 'k', versionId: 'made up' }),
          'InvalidArgument',
          'NoSuchVersion',
        )
        if (!differs(t, 'deletesMadeUpVersions'))
          await rejects(remove(bucket, 'k', 'made up'), 'InvalidArgument', 'NoSuchVersion')
        assert.equal((await entriesOf(bucket)).length, 3)
      },
    )

    versioned('hides a key by a delete marker, and shows it when that is gone', async (_, t) => {
      const [untold, timeless] = [differs(t, 'hiddenKeyUntold'), differs(t, 'deleteMarkerWithoutTime')]
      const bucket = await bucketOf('Enabled')
      const { versionId: one = '' } = await put(bucket, 'k', 'one')
      const deleted = await remove(bucket, 'k')
      const { versionId: marker = '' } = deleted
      assert.deepEqual(deleted, { versionId: marker, isDeleteMarker: true })
      assert.ok(marker !== '' && marker !== one)
      for (const get of [() => read(bucket, 'k'), () => storage.headObject({ bucket, key: 'k' })]) {
        const { headers } = await rejects(get(), 'NoSuchKey')
        const told = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker }
        assert.deepEqual(headers, untold ? {} : told)
      }
      for (const get of [
        () => read(bucket, 'k', marker),
        () => storage.headObject({ bucket, key: 'k', versionId: marker }),
      ]) {
        if (untold) {
          await rejects(get(), 'NoSuchVersion')
          continue
        }
        const { headers } = await rejects(get(), 'MethodNotAllowed')
        assert.deepEqual([headers['allow'], headers['x-amz-delete-marker']], ['DELETE', 'true'])
        const time = Date.parse(headers['last-modified'] ?? '')
        assert.ok(timeless || Math.abs(time - Date.now()) < 60_000)
      }
      assert.equal((await read(bucket, 'k', one)).text, 'one')
      assert.deepEqual(await keysOf(bucket), [])
      assert.deepEqual(await entriesOf(bucket), [`k ${marker} latest marker`, `k ${one}`])
      await rejects(storage.deleteBucket(bucket), 'BucketNotEmpty')

      if (!differs(t, 'hidesOnlyObjects')) {
        const { versionId: again = '' } = await remove(bucket, 'k')
        assert.deepEqual(await remove(bucket, 'k', again), { versionId: again, isDeleteMarker: true })
        assert.deepEqual(await keysOf(bucket), [])
      }
      await remove(bucket, 'k', marker)
      assert.deepEqual(await read(bucket, 'k'), { text: 'one', versionId: one })
      assert.deepEqual([await keysOf(bucket), await entriesOf(bucket)], [['k'], [`k ${one} latest`]])
      assert.deepEqual(await remove(bucket, 'k', one), { versionId: one, isDeleteMarker: false })
      await rejects(read(bucket, 'k'), 'NoSuchKey')
      await remove(bucket, 'k', one)
      assert.deepEqual(await entriesOf(bucket), [])
      await storage.deleteBucket(bucket)
    })

    versioned('makes the version before it the newest when the newest is removed', async () => {
      const bucket = await bucketOf('Enabled')
      const { versionId: one = '' } = await put(bucket, 'k', 'one')
      const { versionId: marker = '' } = await remove(bucket, 'k')
      const { versionId: two = '' } = await put(bucket, 'k', 'two')
      const { versionId: three = '' } = await put(bucket, 'k', 'three')
      await remove(bucket, 'k', three)
      assert.deepEqual(await read(bucket, 'k'), { text: 'two', versionId: two })
      await remove(bucket, 'k', two)
      await rejects(read(bucket, 'k'), 'NoSuchKey')
      assert.deepEqual(await entriesOf(bucket), [`k ${marker} latest marker`, `k ${one}`])
      await remove(bucket, 'k', one)
      assert.deepEqual([await keysOf(bucket), await entriesOf(bucket)], [[], [`k ${marker} latest marker`]])
      await rejects(storage.deleteBucket(bucket), 'BucketNotEmpty')
      await remove(bucket, 'k', marker)
      await storage.deleteBucket(bucket)
    })

    versioned('of what was there before versioning makes the version null', async (_, t) => {
      const named = differs(t, 'nullVersionUnnamed') ? undefined : 'null'
      const bucket = await bucketOf()
      await put(bucket, 'k', 'before')
      await put(bucket, 'other', 'before')
      await storage.versioning?.putBucketVersioning(bucket, 'Enabled')
      assert.deepEqual(await read(bucket, 'k'), { text: 'before', versionId: named })
      const { versionId: one = '' } = await put(bucket, 'k', 'one')
      assert.deepEqual(await read(bucket, 'k', 'null'), { text: 'before', versionId: 'null' })
      assert.deepEqual(await entriesOf(bucket), [`k ${one} latest`, 'k null', 'other null latest'])
      const { versionId: marker = '' } = await remove(bucket, 'other')
      assert.deepEqual(await remove(bucket, 'k', 'null'), { versionId: 'null', isDeleteMarker: false })
      assert.deepEqual(await entriesOf(bucket), [
        `k ${one} latest`,
        `other ${marker} latest marker`,
        'other null',
      ])
    })

    versioned('while it is suspended replaces the version null, and no other', async (versioning, t) => {
      const named = differs(t, 'nullVersionUnnamed') ? undefined : 'null'
      const bucket = await bucketOf('Enabled')
      const { versionId: one = '' } = await put(bucket, 'k', 'one')
      await versioning.putBucketVersioning(bucket, 'Suspended')
      assert.equal(await versioning.getBucketVersioning(bucket), 'Suspended')
      assert.equal((await put(bucket, 'k', 'first null')).versionId, undefined)
      await put(bucket, 'k', 'second null')
      assert.deepEqual(await read(bucket, 'k', 'null'), { text: 'second null', versionId: 'null' })
      assert.deepEqual(await read(bucket, 'k'), { text: 'second null', versionId: named })
      assert.deepEqual(await entriesOf(bucket), ['k null latest', `k ${one}`])
      const deleted = await remove(bucket, 'k')
      if (named !== undefined) assert.deepEqual(deleted, { versionId: 'null', isDeleteMarker: true })
      assert.deepEqual(
        [await keysOf(bucket), await entriesOf(bucket)],
        [[], ['k null latest marker', `k ${one}`]],
      )
      await versioning.putBucketVersioning(bucket, 'Enabled')
      const { versionId: two = '' } = await put(bucket, 'k', 'two')
      assert.deepEqual(await entriesOf(bucket), [`k ${two} latest`, 'k null marker', `k ${one}`])
      await versioning.putBucketVersioning(bucket, 'Suspended')
      await put(bucket, 'k', 'third null')
      assert.deepEqual(await entriesOf(bucket), ['k null latest', `k ${two}`, `k ${one}`])
      await remove(bucket, 'k', 'null')
      assert.deepEqual(await read(bucket, 'k'), { text: 'two', versionId: two })
    })

    versioned(
      'takes a key whose newest version is a delete marker for absent in conditions',
      async (_, t) => {
        const { conditions } = storage.capabilities
        const bucket = await bucketOf('Enabled')
        const { etag } = await put(bucket, 'k', 'one')
        const anew = () => put(bucket, 'k', 'two', { ifNoneMatch: '*' })
        if (!conditions.put.ifNoneMatch || differs(t, 'versionsIgnoreConditions'))
          return void (await rejects(anew(), 'NotImplemented'))
        await rejects(anew(), 'PreconditionFailed')
        await remove(bucket, 'k')
        if (conditions.put.ifMatch) await rejects(put(bucket, 'k', 'two', { ifMatch: etag }), 'NoSuchKey')
        const racers = await Promise.allSettled([anew(), anew(), anew(), anew()])
        const [winner, ...others] = racers.flatMap((result) =>
          result.status === 'fulfilled' ? [result.value] : [],
        )
        assert.deepEqual(
          [await read(bucket, 'k'), others],
          [{ text: 'two', versionId: winner?.versionId }, []],
        )
        assert.equal((await entriesOf(bucket)).length, 3)
      },
    )

    versioned(
      'drops no condition: what it does not enforce with versions is NotImplemented',
      async (versioning, t) => {
        if (!differs(t, 'versionsIgnoreConditions')) return
        const bucket = await bucketOf('Enabled')
        const { etag } = await put(bucket, 'k', 'one')
        const source = { source: { bucket, key: 'k' }, sourceEtag: etag, sourceSize: 3 }
        const upload = { bucket, key: 'k', uploadId: 'u', parts: [] }
        for (const status of ['Enabled', 'Suspended'] as const) {
          await versioning.putBucketVersioning(bucket, status)
          for (const condition of [{ ifNoneMatch: '*' as const }, { ifMatch: etag }]) {
            await rejects(put(bucket, 'k', 'two', condition), 'NotImplemented')
            await rejects(
              storage.copyObject({ bucket, key: 'k', ...ATTRIBUTES, ...source, condition }),
              'NotImplemented',
            )
            await rejects(storage.completeMultipartUpload({ ...upload, condition }), 'NotImplemented')
          }
          await rejects(storage.deleteObject({ bucket, key: 'k', ifMatch: etag }), 'NotImplemented')
        }
        assert.equal((await entriesOf(bucket)).length, 1)
        const plain = await bucketOf()
        if (!storage.capabilities.conditions.put.ifNoneMatch) return
        await put(plain, 'k', 'one', { ifNoneMatch: '*' })
        await rejects(put(plain, 'k', 'two', { ifNoneMatch: '*' }), 'PreconditionFailed')
      },
    )

    versioned('copies the version that is named, also onto its own key', async () => {
      const bucket = await bucketOf('Enabled')
      const { versionId: one = '', etag } = await put(bucket, 'k', 'one')
      await put(bucket, 'k', 'two!!')
      const source = { source: { bucket, key: 'k', versionId: one }, sourceEtag: etag, sourceSize: 3 }
      for (const key of ['k', 'copy']) {
        const { versionId } = await storage.copyObject({ bucket, key, ...ATTRIBUTES, ...source })
        assert.ok(versionId !== undefined && versionId !== one)
        assert.deepEqual(await read(bucket, key), { text: 'one', versionId })
      }
      assert.equal((await entriesOf(bucket)).length, 4)
      await remove(bucket, 'k', one)
      await rejects(storage.copyObject({ bucket, key: 'late', ...ATTRIBUTES, ...source }), 'NoSuchVersion')
    })

    versioned('gives what a multipart upload makes a version, and lists uploads as ever', async () => {
      const bucket = await bucketOf('Enabled')
      const { versionId: one = '' } = await put(bucket, 'k', 'one')
      const { uploadId } = await storage.createMultipartUpload({ bucket, key: 'k', ...ATTRIBUTES })
      const uploads = await storage.listMultipartUploads({
        ...{ bucket, prefix: 'k', delimiter: '', keyMarker: '', uploadIdMarker: '', maxUploads: 10 },
      })
      assert.deepEqual(
        uploads.uploads.map((upload) => upload.uploadId),
        [uploadId],
      )
      const data = randomBytes(PART)
      const part = { bucket, key: 'k', uploadId, partNumber: 1 }
      const { etag } = await storage.uploadPart({ ...part, size: data.length, body: bodyOf(data) })
      const { versionId = '' } = await storage.completeMultipartUpload({
        ...part,
        parts: [{ partNumber: 1, etag }],
      })
      assert.deepEqual(await entriesOf(bucket), [`k ${versionId} latest`, `k ${one}`])
      assert.equal((await storage.headObject({ bucket, key: 'k', versionId })).size, PART)
    })

    versioned('lists every page of every prefix, delimiter and marker as the whole is', async (_, t) => {
      const bucket = await bucketOf('Enabled')
      // Where names that go on behind another with a slash are not listed, or a start inside a common prefix is taken for its end, lists of
      // objects show it already.
      const hides = differs(t, 'hidesBehindObject')
      const skips = differs(t, 'startSkipsPrefix')
      const short = differs(t, 'shortPages')
      const keys = ['a', 'a-b', 'a/b', 'a/c/d', 'é &+%', 'z'].filter((key) => !hides || !key.startsWith('a/'))
      const onlyObjects = differs(t, 'hidesOnlyObjects')
      const model = new Map<string, string[]>()
      const markers = new Set<string>()
      for (const [n, key] of fc.sample(fc.constantFrom(...keys), { numRuns: 40, seed: 1 }).entries()) {
        const older = model.get(key) ?? []
        const removes = n % 4 === 3 && (!onlyObjects || (older.length > 0 && !markers.has(older[0] ?? '')))
        const { versionId = '' } = removes ? await remove(bucket, key) : await put(bucket, key, `${n}`)
        if (removes) markers.add(versionId)
        model.set(key, [versionId, ...older])
      }
      const whole = [...model]
        .flatMap(([key, ids]) => ids.map((id) => ({ key, id })))
        .sort((a, b) => compareBytes(a.key, b.key))
      const expected = (prefix: string, delimiter: string, after: number) => {
        const entries: string[] = []
        const marker = after < 0 ? undefined : whole[after]
        for (const { key, id } of whole.slice(after + 1)) {
          if (!key.startsWith(prefix)) continue
          const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
          const common = at < 0 ? null : key.slice(0, at + 1)
          if (skips && common !== null && marker?.key.startsWith(common) === true) continue
          const entry = common ?? `${key} ${id}`
          if (entries.at(-1) !== entry) entries.push(entry)
        }
        return entries.sort(compareBytes)
      }
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('', 'a', 'a/', 'z'),
          fc.constantFrom('', '/'),
          fc.integer({ min: -1, max: whole.length - 1 }),
          fc.integer({ min: 1, max: 9 }),
          async (prefix, delimiter, after, maxKeys) => {
            const start = after < 0 ? undefined : whole[after]
            let [keyMarker, versionIdMarker] = [start?.key ?? '', start?.id ?? '']
            const got: string[] = []
            for (;;) {
              const page = await list(bucket, { prefix, delimiter, keyMarker, versionIdMarker, maxKeys })
              const entries = [
                ...page.versions.map(({ key, versionId }) => `${key} ${versionId}`),
                ...page.commonPrefixes,
              ]
              for (const { key, versionId, isLatest } of page.versions)
                assert.equal(isLatest, model.get(key)?.[0] === versionId, `${key} ${versionId}`)
              assert.ok(entries.length <= maxKeys)
              if (page.isTruncated && !short) assert.equal(entries.length, maxKeys)
              got.push(...entries)
              assert.ok(got.length <= whole.length, 'pages come to an end')
              if (!page.isTruncated) break
              ;[keyMarker, versionIdMarker] = [page.nextKeyMarker, page.nextVersionIdMarker]
            }
            assert.deepEqual(got.sort(compareBytes), expected(prefix, delimiter, after))
          },
        ),
        { numRuns: 60, examples: [['', '/', 0, 1]] },
      )
      const none = await list(bucket, { maxKeys: 0 })
      assert.deepEqual([none.versions, none.isTruncated], [[], false])
      const ordered = (await list(bucket)).versions.map(({ key, versionId }) => `${key} ${versionId}`)
      assert.deepEqual(
        ordered,
        whole.map(({ key, id }) => `${key} ${id}`),
        'the newest first',
      )
    })

    versioned('goes on behind a version that is removed while it is listed', async (_, t) => {
      if (differs(t, 'listLosesItsPlace')) return
      const bucket = await bucketOf('Enabled')
      for (const key of ['a', 'b']) for (let n = 0; n < 5; n++) await put(bucket, key, `${n}`)
      let removed = 0
      for (let marker = { keyMarker: '', versionIdMarker: '' }; ; ) {
        const page = await list(bucket, { ...marker, maxKeys: 3 })
        for (const { key, versionId } of page.versions) await remove(bucket, key, versionId)
        removed += page.versions.length
        if (!page.isTruncated) break
        marker = { keyMarker: page.nextKeyMarker, versionIdMarker: page.nextVersionIdMarker }
      }
      assert.equal(removed, 10)
      await storage.deleteBucket(bucket)
    })

    versioned('gives each of many writes at once a version of its own', async () => {
      const bucket = await bucketOf('Enabled')
      const texts = Array.from({ length: 12 }, (_, n) => `text ${n}`)
      const written = await Promise.all(texts.map((text) => put(bucket, 'k', text)))
      for (const [n, { versionId = '' }] of written.entries())
        assert.equal((await read(bucket, 'k', versionId)).text, texts[n])
      const { versions } = await list(bucket)
      assert.equal(new Set(versions.map(({ versionId }) => versionId)).size, 12)
      assert.equal(versions.filter(({ isLatest }) => isLatest).length, 1)
      assert.equal((await read(bucket, 'k')).versionId, versions[0]?.versionId)
    })
  })
}

async function* bodyOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

async function rejects(
  promise: Promise<unknown>,
  ...kinds: readonly SealgateError['kind'][]
): Promise<SealgateError> {
  const error: unknown = await promise.then(
    () => assert.fail(`expected ${kinds.join(' or ')}`),
    (thrown: unknown) => thrown,
  )
  assert.ok(isError(error, ...kinds), isError(error) ? `${error.kind}: ${error.reason}` : String(error))
  return error
}
