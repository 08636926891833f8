/**
 * What every store must do (src/storage/storage.ts), as tests: `storageConformance(name, open)` is called by the test file of each
 * implementation. What the server behind a store does otherwise is declared, each difference with its reason, which is shown: the suite
 * then asks for the lesser thing and skips nothing. What a store says it cannot do (`capabilities`) must be NotImplemented. Buckets are made as they are needed, so the suite can run against a server that others use too.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { type ErrorKind, isError } from '../../src/errors.ts'
import {
  type ByteRange,
  type GetObjectResult,
  type ListObjectsRequest,
  OVERWRITTEN,
  type PutObjectRequest,
  type Storage,
} from '../../src/storage/storage.ts'
import { versionConformance } from './versions.ts'

export interface OpenedStorage {
  readonly storage: Storage
  close(): Promise<void>
}

/** Each with its reason. */
export interface Differences {
  /** Equal bytes have equal ETags (sealed bytes are never equal). */
  readonly equalBytesEqualEtag?: string
  /** A plain ETag carries the suffix by which Sealgate tells its clients that it is no MD5. */
  readonly plainEtagSuffix?: string
  /** An upload in a bucket that is not there is NoSuchUpload. */
  readonly uploadHidesBucket?: string
  /** Uploads outlive their bucket. */
  readonly uploadsOutliveBucket?: string
  /** Names that are refused. */
  readonly refusedNames?: { readonly reason: string; readonly refuses: (key: string) => boolean }
  /** An object whose name goes on behind another's with a slash is not listed. */
  readonly hidesBehindObject?: string
  /** A common prefix that the start lies in is not shown again. */
  readonly startSkipsPrefix?: string
  /** Folded by another delimiter than `/`, a page may have fewer names than asked for, and be followed by another. */
  readonly foldsAfterwards?: string
  /** Behind a name with U+10FFFF the pages of a list end. */
  readonly lastCharacterEndsPages?: string
  /** A page may have fewer names than asked for, and be followed by another. */
  readonly shortPages?: string
  /** Complete refuses an upload that has parts which are not named. */
  readonly unnamedPartsRefused?: string
  /** A Complete that is sent again gets the same answer again. */
  readonly completeRepeats?: string
  /** Uploads are listed in some other order than by key and time. */
  readonly uploadOrder?: string
  /** Any text may be the id of a version: one that was made up is not there, and never refused. */
  readonly anyVersionId?: string
  /** Lists of uploads do not fold by a delimiter, or do not page by it. */
  readonly uploadsNotFolded?: string
  /** To delete a version by an id that the store cannot have given succeeds. */
  readonly deletesMadeUpVersions?: string
  /** Answers do not name the version `null`, nor do all tell of a delete marker that has that id. */
  readonly nullVersionUnnamed?: string
  /** NoSuchKey does not tell that it is a delete marker that hides the key, and a delete marker that is named is NoSuchVersion. */
  readonly hiddenKeyUntold?: string
  /** A version that is a delete marker does not tell its time. */
  readonly deleteMarkerWithoutTime?: string
  /** To delete a key that has no object leaves no delete marker. */
  readonly hidesOnlyObjects?: string
  /** Conditions of writes are not enforced where a bucket has versions, and so are NotImplemented. */
  readonly versionsIgnoreConditions?: string
  /** A list does not go on behind a version that is removed meanwhile. */
  readonly listLosesItsPlace?: string
}

const MIB = 1024 * 1024
/** Any store's parts but the last have at least this size. */
const PART = 5 * MIB
const ATTRIBUTES = {
  headers: { 'content-type': 'text/plain' },
  metadata: {},
  storageClass: 'STANDARD',
} as const

/** Byte-exact names that a store might confuse, and that a file system or a URL parser would. */
const NAMES = [
  'a',
  'a/',
  'a/b',
  'a/../b',
  'a/./b',
  '.',
  '..',
  '/',
  '//',
  '/a',
  'A',
  ' ',
  ' a ',
  '+',
  '%',
  '%2F',
  '%41',
  '?x=y',
  '#',
  '&<>"\'',
  '\\',
  'tab\tnew\nline\r',
  '\u0001\u007f',
  'é'.normalize('NFC'),
  'é'.normalize('NFD'),
  '日本語/🔑',
  '\ufffe\uffff',
  '\uffff',
  '\u{10000}',
  '\ud7ff',
  '\ue000',
  '\u{10ffff}',
  'x'.repeat(1024),
  `${'🔑'.repeat(255)}abcd`,
]

export function storageConformance(
  name: string,
  open: () => Promise<OpenedStorage>,
  differences: Differences = {},
): void {
  /** Whether the server differs here; the output then says so. */
  const differs = (t: TestContext, difference: Exclude<keyof Differences, 'refusedNames'>): boolean => {
    const reason = differences[difference]
    if (reason !== undefined) t.diagnostic(`differs, ${difference}: ${reason}`)
    return reason !== undefined
  }
  const { refusedNames } = differences
  const accepts = (t: TestContext, keys: readonly string[]): string[] => {
    const accepted = keys.filter((key) => refusedNames?.refuses(key) !== true)
    if (accepted.length < keys.length)
      t.diagnostic(`differs, ${keys.length - accepted.length} names refused: ${refusedNames?.reason}`)
    const hidden = (key: string) => accepted.some((other) => key.startsWith(`${other}/`))
    return accepted.some(hidden) && differs(t, 'hidesBehindObject')
      ? accepted.filter((key) => !hidden(key))
      : accepted
  }

  versionConformance(name, open, differences)

  describe(`${name} as a store`, () => {
    let opened: OpenedStorage
    let storage: Storage
    before(async () => {
      opened = await open()
      storage = opened.storage
    })
    after(() => opened.close())

    const bucketOf = async (): Promise<string> => {
      const bucket = `conformance-${randomBytes(6).toString('hex')}`
      await storage.createBucket(bucket)
      return bucket
    }
    const put = (
      bucket: string,
      key: string,
      data: Buffer | string,
      more: Partial<PutObjectRequest> = {},
    ) => {
      const bytes = Buffer.from(data)
      return storage.putObject({
        bucket,
        key,
        ...ATTRIBUTES,
        size: bytes.length,
        body: inChunks(bytes),
        ...more,
      })
    }
    const read = async (bucket: string, key: string, more: { range?: ByteRange; ifMatch?: string } = {}) =>
      collect(await storage.getObject({ bucket, key, ...more }))
    const list = (bucket: string, more: Partial<ListObjectsRequest> = {}) =>
      storage.listObjects({ bucket, prefix: '', delimiter: '', startAfter: '', maxKeys: 1000, ...more })
    const keysOf = async (bucket: string) => (await list(bucket)).objects.map(({ key }) => key)

    describe('buckets', () => {
      it('are made once, listed, and deleted when they are empty', async () => {
        const bucket = await bucketOf()
        await rejects(storage.createBucket(bucket), 'BucketAlreadyOwnedByYou')
        assert.ok((await storage.listBuckets()).some((found) => found.name === bucket))
        assert.equal((await storage.headBucket(bucket)).name, bucket)
        await put(bucket, 'k', 'v')
        await rejects(storage.deleteBucket(bucket), 'BucketNotEmpty')
        await storage.deleteObject({ bucket, key: 'k' })
        await storage.deleteBucket(bucket)
        await rejects(storage.headBucket(bucket), 'NoSuchBucket')
        await rejects(storage.deleteBucket(bucket), 'NoSuchBucket')
      })

      it('that are not there are said to be so by every operation', async (t) => {
        const [bucket, key, uploadId] = ['conformance-nowhere', 'k', 'u']
        const missing = differs(t, 'uploadHidesBucket') ? 'NoSuchUpload' : 'NoSuchBucket'
        await rejects(put(bucket, key, 'v'), 'NoSuchBucket')
        await rejects(storage.headObject({ bucket, key }), 'NoSuchBucket')
        await rejects(storage.getObject({ bucket, key }), 'NoSuchBucket')
        await rejects(storage.deleteObject({ bucket, key }), 'NoSuchBucket')
        await rejects(list(bucket), 'NoSuchBucket')
        await rejects(storage.createMultipartUpload({ bucket, key, ...ATTRIBUTES }), 'NoSuchBucket')
        await rejects(storage.listParts({ bucket, key, uploadId, partNumberMarker: 0, maxParts: 1 }), missing)
        await rejects(storage.abortMultipartUpload({ bucket, key, uploadId }), missing)
      })

      it('take their uploads under way with them', async (t) => {
        const bucket = await bucketOf()
        const { uploadId } = await storage.createMultipartUpload({ bucket, key: 'k', ...ATTRIBUTES })
        await storage.deleteBucket(bucket)
        await storage.createBucket(bucket)
        const part = { bucket, key: 'k', uploadId, partNumber: 1, size: 1, body: inChunks(Buffer.from('x')) }
        if (differs(t, 'uploadsOutliveBucket')) await storage.uploadPart(part)
        else await rejects(storage.uploadPart(part), 'NoSuchUpload')
      })
    })

    describe('objects', () => {
      it('keep bytes of every size, with headers, metadata and class as they came', async (t) => {
        const bucket = await bucketOf()
        const attributes = {
          headers: { 'content-type': 'a/b; c="d"', 'content-encoding': 'gzip', 'cache-control': 'no-store' },
          metadata: { empty: '', latin: '\u00e9\u00ff', coded: '=?UTF-8?B?w6k=?=', long: 'x'.repeat(1000) },
          storageClass: 'STANDARD',
        }
        const plainEtag = differs(t, 'plainEtagSuffix') ? /^[0-9a-f]{32}-0$/ : /^[0-9a-f]{32}$/
        for (const size of [0, 1, 16_384, 16_385, 65_536, MIB + 1]) {
          const data = randomBytes(size)
          const { etag } = await put(bucket, 'k', data, attributes)
          assert.match(etag, plainEtag)
          const result = await storage.getObject({ bucket, key: 'k' })
          assert.deepEqual([result.start, result.end, result.object.size], [0, size - 1, size])
          assert.ok((await collect(result)).equals(data))
          const head = await storage.headObject({ bucket, key: 'k' })
          assert.deepEqual(head, result.object)
          assert.deepEqual(
            [head.headers, head.metadata, head.etag],
            [attributes.headers, attributes.metadata, etag],
          )
          assert.ok(Math.abs(head.lastModified - Date.now()) < 60_000)
          const [listed] = (await list(bucket)).objects
          assert.deepEqual(
            [listed?.size, listed?.etag, listed?.lastModified],
            [size, etag, head.lastModified],
          )
        }
      })

      it('have byte-exact names in the order of their UTF-8 bytes', async (t) => {
        const bucket = await bucketOf()
        const names = accepts(t, NAMES)
        for (const key of NAMES.filter((name) => refusedNames?.refuses(name) === true))
          await assert.rejects(put(bucket, key, 'x'), (error) =>
            isError(error, 'InvalidURI', 'KeyTooLongError'),
          )
        for (const key of names) await put(bucket, key, `of ${key}`)
        for (const key of names) assert.equal((await read(bucket, key)).toString(), `of ${key}`)
        assert.deepEqual(await keysOf(bucket), inByteOrder(names))
        for (const key of names) await storage.deleteObject({ bucket, key })
        assert.deepEqual(await keysOf(bucket), [])
      })

      it('get a new ETag at every write, and are replaced whole', async (t) => {
        const bucket = await bucketOf()
        const etags = new Set<string>()
        const same = !differs(t, 'equalBytesEqualEtag')
        for (let n = 0; n < 5; n++) etags.add((await put(bucket, 'k', same ? 'same' : `other ${n}`)).etag)
        assert.equal(etags.size, 5)
        await put(bucket, 'k', randomBytes(100_000), { metadata: { old: '1' } })
        await put(bucket, 'k', 'short')
        assert.equal((await read(bucket, 'k')).toString(), 'short')
        assert.deepEqual((await storage.headObject({ bucket, key: 'k' })).metadata, {})
      })

      it('that are absent are NoSuchKey, and can be deleted', async () => {
        const bucket = await bucketOf()
        await rejects(storage.headObject({ bucket, key: 'k' }), 'NoSuchKey')
        await rejects(storage.getObject({ bucket, key: 'k' }), 'NoSuchKey')
        await storage.deleteObject({ bucket, key: 'k' })
        const kind = storage.capabilities.conditions.delete.ifMatch ? 'NoSuchKey' : 'NotImplemented'
        for (const ifMatch of [hex(), '*'])
          await rejects(storage.deleteObject({ bucket, key: 'k', ifMatch }), kind)
      })

      it('are never half-written: a body that throws, is short, long or aborted leaves what was there', async () => {
        const bucket = await bucketOf()
        await put(bucket, 'there', 'before')
        const broken = new Error('the client went away')
        for (const size of [100, 200_000]) {
          const data = randomBytes(size)
          const bodies: [() => AsyncIterable<Uint8Array>, (error: unknown) => boolean][] = [
            [() => thenThrow(data.subarray(0, size / 2), broken), (error) => error === broken],
            [() => thenThrow(data, broken), (error) => error === broken],
            [() => inChunks(data.subarray(1)), (error) => isError(error, 'IncompleteBody')],
            [
              () => inChunks(Buffer.concat([data, Buffer.alloc(1)])),
              (error) => isError(error, 'IncompleteBody'),
            ],
          ]
          for (const [body, isExpected] of bodies) {
            for (const key of ['there', 'new']) {
              await assert.rejects(put(bucket, key, data, { body: body() }), isExpected)
            }
          }
          const gone = new AbortController()
          const body = (async function* () {
            yield data.subarray(0, 10)
            gone.abort()
            yield data.subarray(10)
          })()
          await assert.rejects(put(bucket, 'there', data, { body, signal: gone.signal }))
        }
        assert.deepEqual(await keysOf(bucket), ['there'])
        assert.equal((await read(bucket, 'there')).toString(), 'before')
      })

      it('are whole though the body uses again what the store gives back, and the store what its reader does', async () => {
        const bucket = await bucketOf()
        const data = randomBytes(900_000)
        const given = new Set<ArrayBufferLike>()
        const body = {
          async *[Symbol.asyncIterator]() {
            for (let at = 0; at < data.length; at += 50_000) {
              const chunk = new Uint8Array(data.subarray(at, at + 50_000))
              given.add(chunk.buffer)
              yield chunk
            }
          },
          release(chunk: Uint8Array) {
            assert.ok(given.delete(chunk.buffer), 'a chunk of this body, and once')
            chunk.fill(0)
          },
        }
        await put(bucket, 'k', data, { body })
        const kept = await read(bucket, 'k')
        assert.equal(sha(kept), sha(data), 'a reader that gives nothing back keeps every chunk')
        const { body: stored } = await storage.getObject({ bucket, key: 'k' })
        const hash = createHash('sha256')
        let n = 0
        let held: [Uint8Array, string] | null = null
        for await (const chunk of stored) {
          hash.update(chunk)
          if (n++ === 1) held = [chunk, sha(Buffer.from(chunk))]
          else stored.release?.(chunk)
        }
        assert.equal(hash.digest('hex'), sha(data))
        if (held !== null) assert.equal(sha(Buffer.from(held[0])), held[1], 'what was not given back stays')
      })

      it('that are written at once by many are one of them, whole', async () => {
        const bucket = await bucketOf()
        const datas = Array.from({ length: 8 }, () => randomBytes(40_000))
        await Promise.all(datas.map((data) => put(bucket, 'k', data)))
        const result = await read(bucket, 'k')
        assert.ok(datas.some((data) => data.equals(result)))
      })
    })

    describe('ranges', () => {
      it('equal the slice', async () => {
        const bucket = await bucketOf()
        for (const size of [1, 1000, 700_000]) {
          const data = randomBytes(size)
          await put(bucket, 'k', data)
          const offset = fc.nat(size - 1)
          await fc.assert(
            fc.asyncProperty(offset, fc.nat(size + 10), fc.boolean(), async (start, length, suffix) => {
              const range = suffix ? { suffix: length + 1 } : { start, end: start + length }
              const result = await storage.getObject({ bucket, key: 'k', range })
              const want = suffix ? data.subarray(-(length + 1)) : data.subarray(start, start + length + 1)
              assert.ok((await collect(result)).equals(want))
              assert.equal(result.end - result.start + 1, want.length)
              assert.equal(result.object.size, size)
            }),
            { numRuns: 30 },
          )
        }
      })

      it('behind the end are InvalidRange; a reader may stop early', async () => {
        const bucket = await bucketOf()
        await put(bucket, 'k', randomBytes(500_000))
        await put(bucket, 'empty', '')
        await rejects(read(bucket, 'k', { range: { start: 500_000, end: 500_001 } }), 'InvalidRange')
        await rejects(read(bucket, 'empty', { range: { start: 0, end: 0 } }), 'InvalidRange')
        for (let n = 0; n < 20; n++) {
          const { body } = await storage.getObject({ bucket, key: 'k' })
          if (n % 2 === 0) for await (const _ of body) break
          body.destroy()
        }
      })

      it('are pinned by ifMatch to what an earlier answer named', async () => {
        const bucket = await bucketOf()
        const { etag } = await put(bucket, 'k', 'one')
        assert.equal((await read(bucket, 'k', { ifMatch: etag })).toString(), 'one')
        await put(bucket, 'k', 'two')
        await rejects(read(bucket, 'k', { ifMatch: etag }), 'PreconditionFailed', OVERWRITTEN)
      })
    })

    describe('conditions', () => {
      it('If-None-Match: * lets one of many through, If-Match each version once', async () => {
        const bucket = await bucketOf()
        const racers = Array.from({ length: 10 }, (_, n) => n)
        if (!storage.capabilities.conditions.put.ifNoneMatch) {
          await rejects(put(bucket, 'k', 'first', { condition: { ifNoneMatch: '*' } }), 'NotImplemented')
          return
        }
        const first = await Promise.allSettled(
          racers.map((n) => put(bucket, 'k', `first ${n}`, { condition: { ifNoneMatch: '*' } })),
        )
        const winners = first.filter(({ status }) => status === 'fulfilled')
        assert.equal(winners.length, 1)
        for (const result of first)
          if (result.status === 'rejected') assertKind(result.reason, 'PreconditionFailed')
        const { etag } = await storage.headObject({ bucket, key: 'k' })
        const { conditions } = storage.capabilities
        if (!conditions.put.ifMatch) {
          await rejects(put(bucket, 'k', 'second', { condition: { ifMatch: etag } }), 'NotImplemented')
          return
        }
        const second = await Promise.allSettled(
          racers.map((n) => put(bucket, 'k', `second ${n}`, { condition: { ifMatch: etag } })),
        )
        assert.equal(second.filter(({ status }) => status === 'fulfilled').length, 1)
        await rejects(put(bucket, 'absent', 'x', { condition: { ifMatch: etag } }), 'NoSuchKey')
        const current = (await storage.headObject({ bucket, key: 'k' })).etag
        if (conditions.delete.ifMatch) {
          await rejects(storage.deleteObject({ bucket, key: 'k', ifMatch: etag }), 'PreconditionFailed')
          await storage.deleteObject({ bucket, key: 'k', ifMatch: current })
        } else {
          await rejects(storage.deleteObject({ bucket, key: 'k', ifMatch: current }), 'NotImplemented')
          await storage.deleteObject({ bucket, key: 'k' })
        }
        await put(bucket, 'k', 'again', { condition: { ifNoneMatch: '*' } })
      })
    })

    describe('copies', () => {
      it('have the bytes of the source and attributes of their own', async () => {
        const [bucket, other] = [await bucketOf(), await bucketOf()]
        const data = randomBytes(100_000)
        const { etag } = await put(bucket, 'from', data)
        const attributes = {
          headers: { 'content-type': 'x/y' },
          metadata: { new: '1', 'with_under-score': '2' },
          storageClass: 'STANDARD',
        }
        const source = { bucket, key: 'from' }
        for (const target of [
          { bucket: other, key: 'to' },
          { bucket, key: 'from' },
        ]) {
          await storage.copyObject({
            ...target,
            ...attributes,
            source,
            sourceEtag: etag,
            sourceSize: data.length,
          })
          const result = await storage.getObject(target)
          assert.deepEqual(
            [result.object.headers, result.object.metadata],
            [attributes.headers, attributes.metadata],
          )
          assert.ok((await collect(result)).equals(data))
        }
        await storage.deleteObject(source)
        assert.ok((await read(other, 'to')).equals(data))
      })

      it('have the bytes of the source that was named, whatever its name looks like', async () => {
        const bucket = await bucketOf()
        for (const key of ['per%25cent', 'per%cent', 'a+b', 'a b', 'what?versionId=1', 'a&b=c', 'ü']) {
          const { etag } = await put(bucket, key, key)
          const source = { bucket, key }
          const sourceSize = Buffer.byteLength(key)
          await storage.copyObject({ bucket, key: 'to', ...ATTRIBUTES, source, sourceEtag: etag, sourceSize })
          assert.equal((await read(bucket, 'to')).toString(), key)
        }
      })

      it('are pinned to the source, and obey the condition on the target', async () => {
        const bucket = await bucketOf()
        const { etag } = await put(bucket, 'from', 'one')
        const copy = {
          bucket,
          key: 'to',
          ...ATTRIBUTES,
          source: { bucket, key: 'from' },
          sourceEtag: etag,
          sourceSize: 3,
        }
        const conditional = { ...copy, condition: { ifNoneMatch: '*' as const } }
        if (storage.capabilities.conditions.copy.ifNoneMatch) {
          await storage.copyObject(conditional)
          await rejects(storage.copyObject(conditional), 'PreconditionFailed')
          const old = '0'.repeat(32)
          await rejects(
            storage.copyObject({ ...copy, condition: { ifMatch: old } }),
            storage.capabilities.conditions.copy.ifMatch ? 'PreconditionFailed' : 'NotImplemented',
          )
        } else {
          await rejects(storage.copyObject(conditional), 'NotImplemented')
          await storage.copyObject(copy)
        }
        await put(bucket, 'from', 'two')
        await rejects(storage.copyObject(copy), 'PreconditionFailed', OVERWRITTEN)
        await storage.deleteObject({ bucket, key: 'from' })
        await rejects(storage.copyObject(copy), 'NoSuchKey')
        assert.equal((await read(bucket, 'to')).toString(), 'one')
      })
    })

    describe('lists', () => {
      it('give every page of every prefix, delimiter and start as the sorted set does', async (t) => {
        const [skips, short] = [differs(t, 'startSkipsPrefix'), differs(t, 'shortPages')]
        const bucket = await bucketOf()
        const last = differs(t, 'lastCharacterEndsPages') ? '\u{10fffe}' : '\u{10ffff}'
        const letters = fc.array(fc.constantFrom('a', 'b', '/', '-', last, 'é'), {
          minLength: 1,
          maxLength: 5,
        })
        const names = accepts(t, [...new Set(fc.sample(letters, 60).map((parts) => parts.join('')))])
        for (const key of names) await put(bucket, key, '')
        const text = fc
          .oneof(
            fc.constant(''),
            letters.map((parts) => parts.slice(0, 2).join('')),
          )
          .filter((prefix) => refusedNames?.refuses(prefix) !== true)
        const foldsOthersAfterwards = differs(t, 'foldsAfterwards')
        const delimiter = fc.constantFrom('', '/', '-', 'a', 'b/')
        const start = fc.oneof(text, fc.constantFrom(...names))
        await fc.assert(
          fc.asyncProperty(
            text,
            delimiter,
            start,
            fc.integer({ min: 1, max: 9 }),
            async (prefix, mark, startAfter, maxKeys) => {
              const afterwards = foldsOthersAfterwards && mark !== '/'
              const want = expectedList(names, prefix, mark, startAfter, skips && !afterwards)
              const got: string[] = []
              let continuationToken: string | undefined
              do {
                const page = await list(bucket, {
                  prefix,
                  delimiter: mark,
                  startAfter,
                  maxKeys,
                  continuationToken,
                })
                const entries = inByteOrder([...page.objects.map(({ key }) => key), ...page.commonPrefixes])
                assert.ok(entries.length <= maxKeys)
                if (page.next !== undefined) {
                  if (!short && !afterwards) assert.equal(entries.length, maxKeys)
                  assert.equal(page.nextMarker, entries.at(-1))
                  assert.match(page.next, /^[A-Za-z0-9._~-]+$/)
                }
                got.push(...entries)
                assert.ok(got.length <= 2 * names.length, 'pages come to an end')
                continuationToken = page.next
              } while (continuationToken !== undefined)
              assert.deepEqual(got, want)
            },
          ),
          { numRuns: 150 },
        )
      })

      it('fold again what lies behind a start inside a common prefix', async (t) => {
        const bucket = await bucketOf()
        for (const key of ['a/b/c', 'a/b/d', 'b']) await put(bucket, key, '')
        const behind = async (startAfter: string) => {
          const { objects, commonPrefixes } = await list(bucket, { delimiter: '/', startAfter })
          return [...commonPrefixes, ...objects.map(({ key }) => key)]
        }
        assert.deepEqual(await behind('a/b/'), differs(t, 'startSkipsPrefix') ? ['b'] : ['a/', 'b'])
        assert.deepEqual(await behind('a/b/d'), ['b'])
        assert.deepEqual(await behind('a/'), ['b'])
      })

      it('give 1000 names a page, objects and common prefixes together', async (t) => {
        const bucket = await bucketOf()
        const all = Array.from({ length: 1100 }, (_, n) => (n % 3 === 0 ? `${n}` : `${n >> 1}.d/${n}`))
        const names = accepts(t, all)
        await Promise.all(names.map((key) => put(bucket, key, '')))
        const first = await list(bucket)
        assert.deepEqual([first.objects.length, first.nextMarker], [1000, inByteOrder(names)[999]])
        const second = await list(bucket, { continuationToken: first.next })
        const keys = [...first.objects, ...second.objects].map(({ key }) => key)
        assert.deepEqual([keys, second.next], [inByteOrder(names), undefined])
        const entries: string[] = []
        let page = await list(bucket, { delimiter: '/' })
        for (;;) {
          entries.push(...page.objects.map(({ key }) => key), ...page.commonPrefixes)
          if (page.next === undefined || !differs(t, 'shortPages')) break
          page = await list(bucket, { delimiter: '/', continuationToken: page.next })
        }
        assert.deepEqual(inByteOrder(entries), expectedList(names, '', '/', ''))
      })

      it('give nothing for max-keys 0, end exactly at the last page, and refuse a made-up token', async () => {
        const bucket = await bucketOf()
        for (const key of ['a', 'b', 'c']) await put(bucket, key, '')
        const none = await list(bucket, { maxKeys: 0 })
        assert.deepEqual([none.objects, none.next], [[], undefined])
        assert.equal((await list(bucket, { maxKeys: 3 })).next, undefined)
        assert.notEqual((await list(bucket, { maxKeys: 2 })).next, undefined)
        await rejects(list(bucket, { continuationToken: 'made up' }), 'InvalidArgument')
      })
    })

    describe('multipart uploads', () => {
      const sendPart = async (
        bucket: string,
        key: string,
        uploadId: string,
        partNumber: number,
        data: Buffer,
      ) => {
        const body = inChunks(data)
        const { etag } = await storage.uploadPart({
          bucket,
          key,
          uploadId,
          partNumber,
          size: data.length,
          body,
        })
        return { partNumber, etag }
      }

      it('join the parts that are named, in their order, with the attributes of the beginning', async (t) => {
        const bucket = await bucketOf()
        const target = { bucket, key: 'k' }
        const attributes = {
          headers: { 'content-type': 'a/b' },
          metadata: { m: '1' },
          storageClass: 'STANDARD',
        }
        const { uploadId } = await storage.createMultipartUpload({ ...target, ...attributes })
        assert.match(uploadId, /^[A-Za-z0-9._~-]+$/)
        const [one, two, last] = [randomBytes(PART), randomBytes(PART + 1), randomBytes(10)]
        const { partGaps } = storage.capabilities
        const [lastNumber, unnamedNumber] = partGaps ? [900, 5] : [3, 4]
        const third = await sendPart(bucket, 'k', uploadId, lastNumber, last)
        const naming = differs(t, 'unnamedPartsRefused')
        const fifth = randomBytes(PART)
        const unnamed = await sendPart(bucket, 'k', uploadId, unnamedNumber, fifth)
        const stale = await sendPart(bucket, 'k', uploadId, 2, randomBytes(PART))
        const parts = [
          await sendPart(bucket, 'k', uploadId, 1, one),
          await sendPart(bucket, 'k', uploadId, 2, two),
          ...(naming ? [unnamed] : []),
          third,
        ]
        const page = await storage.listParts({ ...target, uploadId, partNumberMarker: 1, maxParts: 2 })
        assert.deepEqual(
          [page.parts.map(({ partNumber, size }) => [partNumber, size]), page.isTruncated],
          [[[2, PART + 1], partGaps ? [5, PART] : [3, 10]], true],
        )
        assert.equal(page.parts[1]?.etag, (partGaps ? unnamed : third).etag)
        const behind = async (partNumberMarker: number, maxParts: number) => {
          const found = await storage.listParts({ ...target, uploadId, partNumberMarker, maxParts })
          return [found.parts.map(({ partNumber }) => partNumber), found.isTruncated]
        }
        assert.deepEqual(await behind(3, 1), partGaps ? [[5], true] : [[4], false])
        assert.deepEqual(await behind(4, 5), [partGaps ? [5, 900] : [], false])
        assert.deepEqual(await behind(901, 5), [[], false])
        const complete = { ...target, uploadId }
        if (!partGaps)
          await rejects(
            storage.completeMultipartUpload({ ...complete, parts: parts.toSpliced(1, 1) }),
            'NotImplemented',
          )
        await rejects(
          storage.completeMultipartUpload({ ...complete, parts: parts.with(1, stale) }),
          'InvalidPart',
        )
        await rejects(storage.headObject(target), 'NoSuchKey')
        const { etag } = await storage.completeMultipartUpload({ ...complete, parts })
        assert.match(etag, new RegExp(`^[0-9a-f]{32}-${parts.length}$`))
        const result = await storage.getObject(target)
        assert.deepEqual(
          [result.object.etag, result.object.headers, result.object.metadata],
          [etag, attributes.headers, attributes.metadata],
        )
        const whole = Buffer.concat([one, two, ...(naming ? [fifth] : []), last])
        assert.equal(sha(await collect(result)), sha(whole))
        const across = await read(bucket, 'k', { range: { start: PART - 5, end: 2 * PART + 5 } })
        assert.ok(across.equals(whole.subarray(PART - 5, 2 * PART + 6)))
        const again = storage.completeMultipartUpload({ ...complete, parts })
        if (differs(t, 'completeRepeats')) assert.equal((await again).etag, etag)
        else await rejects(again, 'NoSuchUpload')
        await rejects(storage.listParts({ ...complete, partNumberMarker: 0, maxParts: 1 }), 'NoSuchUpload')
      })

      it('may be one empty part, and obey a condition without losing the upload', async () => {
        const bucket = await bucketOf()
        const target = { bucket, key: 'k' }
        await put(bucket, 'k', 'in the way')
        const { uploadId } = await storage.createMultipartUpload({ ...target, ...ATTRIBUTES })
        const parts = [await sendPart(bucket, 'k', uploadId, 1, Buffer.alloc(0))]
        const complete = { ...target, uploadId, parts }
        const { ifNoneMatch } = storage.capabilities.conditions.complete
        await rejects(
          storage.completeMultipartUpload({ ...complete, condition: { ifNoneMatch: '*' } }),
          ifNoneMatch ? 'PreconditionFailed' : 'NotImplemented',
        )
        await storage.completeMultipartUpload(complete)
        assert.equal((await read(bucket, 'k')).length, 0)
      })

      it('leave nothing when they are aborted, and know only their own key', async () => {
        const bucket = await bucketOf()
        const { uploadId } = await storage.createMultipartUpload({ bucket, key: 'k', ...ATTRIBUTES })
        await sendPart(bucket, 'k', uploadId, 1, randomBytes(10))
        await rejects(sendPart(bucket, 'other', uploadId, 1, randomBytes(10)), 'NoSuchUpload')
        await rejects(storage.abortMultipartUpload({ bucket, key: 'other', uploadId }), 'NoSuchUpload')
        await storage.abortMultipartUpload({ bucket, key: 'k', uploadId })
        await rejects(sendPart(bucket, 'k', uploadId, 2, randomBytes(10)), 'NoSuchUpload')
        await rejects(storage.abortMultipartUpload({ bucket, key: 'k', uploadId }), 'NoSuchUpload')
        assert.deepEqual(await keysOf(bucket), [])
      })

      it('are listed by key and time, page by page', async (t) => {
        const ordered = !differs(t, 'uploadOrder')
        const bucket = await bucketOf()
        const begun: string[] = []
        for (const key of ['b', 'a/1', 'a/\u{10ffff}\u{10ffff}', 'b', 'c']) {
          const { uploadId } = await storage.createMultipartUpload({ bucket, key, ...ATTRIBUTES })
          begun.push(`${key} ${uploadId}`)
          await new Promise((resolve) => setTimeout(resolve, 2))
        }
        const want = [begun[1], begun[2], begun[0], begun[3], begun[4]]
        for (const maxUploads of [1, 2, 1000]) {
          const got: string[] = []
          let marker = { keyMarker: '', uploadIdMarker: '' }
          for (;;) {
            const page = await storage.listMultipartUploads({
              bucket,
              prefix: '',
              delimiter: '',
              ...marker,
              maxUploads,
            })
            got.push(...page.uploads.map(({ key, uploadId }) => `${key} ${uploadId}`))
            if (!page.isTruncated) break
            marker = { keyMarker: page.nextKeyMarker, uploadIdMarker: page.nextUploadIdMarker }
          }
          if (ordered) assert.deepEqual(got, want)
          else assert.deepEqual(got.sort(), [...begun].sort())
        }
        if (differs(t, 'uploadsNotFolded')) return
        const pages: string[] = []
        for (let keyMarker = ''; pages.length < 5; ) {
          const page = await storage.listMultipartUploads({
            bucket,
            prefix: '',
            delimiter: '/',
            keyMarker,
            uploadIdMarker: '',
            maxUploads: 1,
          })
          pages.push(...page.commonPrefixes, ...page.uploads.map(({ key }) => key))
          keyMarker = page.nextKeyMarker
          // From the first real key on, ids count too; the common prefix is what is looked at here.
          if (!page.isTruncated || page.uploads.length > 0) break
        }
        assert.deepEqual(pages, ['a/', 'b'])
        const folded = await storage.listMultipartUploads({
          bucket,
          prefix: '',
          delimiter: '/',
          keyMarker: '',
          uploadIdMarker: '',
          maxUploads: 1000,
        })
        assert.deepEqual(
          [folded.commonPrefixes, folded.uploads.map(({ key }) => key)],
          [['a/'], ['b', 'b', 'c']],
        )
      })

      it('do not keep a part whose body fails', async () => {
        const bucket = await bucketOf()
        const { uploadId } = await storage.createMultipartUpload({ bucket, key: 'k', ...ATTRIBUTES })
        const part = { bucket, key: 'k', uploadId, partNumber: 1, size: 100_000 }
        const broken = new Error('cut')
        const body = thenThrow(randomBytes(50_000), broken)
        await assert.rejects(storage.uploadPart({ ...part, body }), (error) => error === broken)
        await rejects(storage.uploadPart({ ...part, body: inChunks(randomBytes(99_999)) }), 'IncompleteBody')
        const { parts } = await storage.listParts({ ...part, partNumberMarker: 0, maxParts: 10 })
        assert.deepEqual(parts, [])
      })
    })
  })
}

/** S3's list, computed from all names at once. */
function expectedList(
  names: readonly string[],
  prefix: string,
  delimiter: string,
  startAfter: string,
  startSkipsPrefix = false,
): string[] {
  const entries = new Set<string>()
  for (const name of names) {
    if (!name.startsWith(prefix) || compareBytes(name, startAfter) <= 0) continue
    const at = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    const entry = at < 0 ? name : name.slice(0, at + delimiter.length)
    // A start behind a common prefix's own name is inside it: it shows again, but not if it is the start itself.
    if (startSkipsPrefix && at >= 0 && startAfter.startsWith(entry)) continue
    if (entry !== startAfter || at < 0) entries.add(entry)
  }
  return inByteOrder([...entries])
}

function inByteOrder(names: readonly string[]): string[] {
  return [...names].sort(compareBytes)
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

async function* thenThrow(bytes: Buffer, error: Error): AsyncGenerator<Uint8Array> {
  yield* inChunks(bytes)
  throw error
}

async function collect({ body }: GetObjectResult): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function rejects(promise: Promise<unknown>, kind: ErrorKind, reason?: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assertKind(error, kind)
    if (reason !== undefined) assert.equal(isError(error) && error.reason, reason)
    return true
  })
}

function assertKind(error: unknown, kind: ErrorKind): void {
  assert.ok(isError(error), String(error))
  assert.equal(error.kind, kind)
}

const hex = () => randomBytes(16).toString('hex')
const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
