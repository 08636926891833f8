/** The cos store when COS, or the way to it, does not do as it should. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, describe, it } from 'node:test'
import { type ErrorKind, isError } from '../../src/errors.ts'
import { openCosStorage } from '../../src/storage/cos.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { type CosServer, startCosServer } from '../emulators/cos-server.ts'
import { collect } from '../lib/bytes.ts'
import { cosOptions, openCos, SHORT } from '../lib/cos-store.ts'

const MIB = 1024 * 1024
const ATTRIBUTES = { headers: { 'content-type': 'text/plain' }, metadata: {}, storageClass: 'STANDARD' }

let server: CosServer
let storage: Storage
let close: () => Promise<void>
before(async () => {
  const opened = await openCos({}, { answerTimeoutMs: 500, idleTimeoutMs: 500 })
  server = opened.server
  storage = opened.storage
  close = opened.close
  await storage.createBucket('box')
})
after(() => close())
afterEach(() => server.faults.clear())

function put(key: string, bytes: Buffer, more: Partial<Parameters<Storage['putObject']>[0]> = {}) {
  const body = (async function* () {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  })()
  return storage.putObject({ bucket: 'box', key, ...ATTRIBUTES, size: bytes.length, body, ...more })
}

async function read(key: string): Promise<Buffer> {
  return collect((await storage.getObject({ bucket: 'box', key })).body)
}

async function fails(work: Promise<unknown>, kind: ErrorKind, reason = /./): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isError(error, kind), String(error))
    if (reason.source !== '.') assert.match(error.reason ?? '', reason)
    return true
  })
}

describe('what COS took is not what was sent', () => {
  it('is told by the CRC-64 of its answer where the body went in a stream', async () => {
    server.faults.once({ kind: 'flipped' }, /^PutObject$/)
    await fails(put('k', randomBytes(MIB)), 'SlowDown', /their CRC-64 differs/)
    const { uploadId } = await storage.createMultipartUpload({ bucket: 'box', key: 'k', ...ATTRIBUTES })
    const body = (async function* () {
      yield randomBytes(MIB)
    })()
    server.faults.once({ kind: 'flipped' }, /^UploadPart$/)
    const part = { bucket: 'box', key: 'k', uploadId, partNumber: 1, size: MIB, body }
    await fails(storage.uploadPart(part), 'SlowDown', /their CRC-64 differs/)
    await storage.abortMultipartUpload({ bucket: 'box', key: 'k', uploadId })
  })

  it('is refused by COS where a small one went under its MD5, and sent again where that is safe', async () => {
    server.faults.always({ kind: 'flipped' }, /^PutObject$/)
    await fails(put('small', randomBytes(1000)), 'SlowDown', /BadDigest/)
    await fails(storage.headObject({ bucket: 'box', key: 'small' }), 'NoSuchKey')
  })
})

describe('a success that holds an error', () => {
  it('is one, of a copy and of Complete, and the upload is still there', async () => {
    const { etag } = await put('source', Buffer.from('source'))
    const source = { source: { bucket: 'box', key: 'source' }, sourceEtag: etag, sourceSize: 6 }
    server.faults.once({ kind: 'inside', code: 'SlowDown' }, /^CopyObject$/)
    await fails(storage.copyObject({ bucket: 'box', key: 'copy', ...ATTRIBUTES, ...source }), 'SlowDown')

    const upload = { bucket: 'box', key: 'joined' }
    const { uploadId } = await storage.createMultipartUpload({ ...upload, ...ATTRIBUTES })
    const bytes = randomBytes(MIB)
    const body = (async function* () {
      yield bytes
    })()
    const part = await storage.uploadPart({ ...upload, uploadId, partNumber: 1, size: MIB, body })
    const complete = { ...upload, uploadId, parts: [{ partNumber: 1, etag: part.etag }] }
    server.faults.once({ kind: 'inside', code: 'PreconditionFailed' }, /^CompleteMultipartUpload$/)
    await fails(storage.completeMultipartUpload(complete), 'PreconditionFailed')
    await storage.completeMultipartUpload(complete)
    assert.ok((await read('joined')).equals(bytes))
  })

  it('that is none of COS is none, and breaks nothing', async () => {
    const { etag } = await put('source', Buffer.from('source'))
    const source = { source: { bucket: 'box', key: 'source' }, sourceEtag: etag, sourceSize: 6 }
    server.faults.once({ kind: 'status', status: 200, text: 'hello' }, /^CopyObject$/)
    await fails(
      storage.copyObject({ bucket: 'box', key: 'copy', ...ATTRIBUTES, ...source }),
      'ServiceUnavailable',
      /makes no sense/,
    )
    server.faults.once({ kind: 'status', status: 200, text: 'hello' }, /^PutObject$/)
    await fails(put('none', randomBytes(MIB)), 'ServiceUnavailable', /no CRC-64/)
  })
})

describe('a call that fails on its way', () => {
  const FAULTS = [
    { kind: 'status', status: 520 },
    { kind: 'error', code: 'InternalError' },
    { kind: 'error', code: 'SlowDown' },
    { kind: 'cut' },
    { kind: 'reset' },
    { kind: 'silence' },
    { kind: 'half' },
  ] as const
  for (const fault of FAULTS)
    it(`is made again where it does nothing twice: ${JSON.stringify(fault)}`, async () => {
      await put('k', Buffer.from('once more'))
      server.counted()
      server.faults.once(fault, /^ListObjects$/)
      const list = { bucket: 'box', prefix: 'k', delimiter: '', startAfter: '', maxKeys: 10 }
      assert.equal((await storage.listObjects(list)).objects.length, 1)
      assert.deepEqual(server.counted(), ['ListObjects', 'ListObjects'])
    })

  it('with a body that has begun to flow is not, and what was there stays', async () => {
    await put('k', Buffer.from('before'))
    for (const fault of [
      { kind: 'status', status: 520 },
      { kind: 'cut' },
      { kind: 'unread', bytes: 100_000 },
      { kind: 'silence' },
    ] as const) {
      server.counted()
      server.faults.once(fault, /^PutObject$/)
      await fails(put('k', randomBytes(MIB)), 'ServiceUnavailable')
      assert.deepEqual(server.counted(), ['PutObject'], fault.kind)
      assert.equal((await read('k')).toString(), 'before')
    }
  })

  it('is refused for good where the credentials are, without a word of them', async () => {
    const stranger = { ...cosOptions(server), credentials: { secretId: 'AKIDNOBODY', secretKey: 'not-it' } }
    const work = openCosStorage({ ...stranger, systemBucket: 'records' })
    await assert.rejects(work, (error) => {
      assert.ok(isError(error, 'ServiceUnavailable', 'AccessDenied'))
      assert.doesNotMatch(`${error.message} ${error.reason}`, /not-it/)
      return true
    })
  })
})

describe('the system bucket', () => {
  it('is looked at by its name there: one with versions is refused, and nothing is warned of otherwise', async () => {
    const own = await startCosServer(SHORT)
    try {
      const warnings: string[] = []
      const options = {
        ...cosOptions(own),
        systemBucket: 'records',
        warn: (message: string) => void warnings.push(message),
      }
      const first = await openCosStorage(options)
      await first.close()
      const second = await openCosStorage(options)
      await second.versioning?.putBucketVersioning('records', 'Enabled')
      await second.close()
      assert.deepEqual(warnings, [])
      await assert.rejects(openCosStorage(options), /The system bucket records is or was versioned/)
    } finally {
      await own.close()
    }
  })
})

describe('temporary credentials', () => {
  it('go with their token, and are asked for again when COS takes them no more', async () => {
    const own = await startCosServer(SHORT)
    try {
      own.setAccount('AKIDTEMP', 'temporary', { token: 'the-token' })
      const environment: Record<string, string> = {
        TENCENTCLOUD_SECRET_ID: 'AKIDTEMP',
        TENCENTCLOUD_SECRET_KEY: 'temporary',
        TENCENTCLOUD_SESSION_TOKEN: 'the-token',
      }
      const opened = await openCosStorage({
        ...{ ...cosOptions(own), credentials: null, environment },
        systemBucket: 'records',
      })
      own.removeAccount('AKIDTEMP')
      own.setAccount('AKIDNEXT', 'next', { token: 'next-token' })
      Object.assign(environment, {
        TENCENTCLOUD_SECRET_ID: 'AKIDNEXT',
        TENCENTCLOUD_SECRET_KEY: 'next',
        TENCENTCLOUD_SESSION_TOKEN: 'next-token',
      })
      await opened.createBucket('box')
      await opened.headBucket('box')
      await opened.close()
    } finally {
      await own.close()
    }
  })
})

describe('what COS has not', () => {
  it('is kept in other words: names of metadata, whatever they have', async () => {
    const metadata = { under_score: '1', 'do.t': '2', "a!#$%&'*+^`|~b": 'é', 'x-y': '=?x' }
    await put('named', Buffer.from('x'), { metadata })
    const latin = Object.fromEntries(
      Object.entries((await storage.headObject({ bucket: 'box', key: 'named' })).metadata),
    )
    assert.deepEqual(latin, metadata)
  })

  it('more than one character of a delimiter, or another than a slash, folds all the same', async () => {
    for (const key of ['f/a--1', 'f/a--2', 'f/b', 'f/c--1', 'f/d,e']) await put(key, Buffer.from('x'))
    const all = { bucket: 'box', prefix: 'f/', delimiter: '--', startAfter: '' }
    const pages: string[] = []
    let continuationToken: string | undefined
    do {
      const page = await storage.listObjects({ ...all, maxKeys: 1, continuationToken })
      pages.push(...page.commonPrefixes, ...page.objects.map(({ key }) => key))
      continuationToken = page.next
    } while (continuationToken !== undefined)
    assert.deepEqual(pages, ['f/a--', 'f/b', 'f/c--', 'f/d,e'])
    const versions = await storage.versioning?.listObjectVersions({
      ...{ bucket: 'box', prefix: 'f/', delimiter: ',', keyMarker: 'f/b', versionIdMarker: 'null' },
      maxKeys: 2,
    })
    assert.deepEqual(
      [versions?.versions.map(({ key }) => key), versions?.commonPrefixes, versions?.isTruncated],
      [['f/c--1'], ['f/d,'], false],
    )
  })

  it('locks and rules are refused, not dropped', async () => {
    const lock = { retention: { mode: 'GOVERNANCE', until: Date.now() + 60_000 } } as const
    await fails(put('locked', Buffer.from('x'), { marks: { lock } }), 'NotImplemented')
    await fails(storage.createBucket('locked', { objectLock: true }), 'NotImplemented')
    assert.deepEqual(
      ['tagging', 'retention', 'acl'].map((name) => storage.subresources?.keeps('object', name)),
      [true, false, false],
    )
    assert.equal(storage.subresources?.keeps('bucket', 'policy'), false)
  })

  it('a bucket whose name does not fit is refused when it is made, and not there otherwise', async () => {
    for (const name of ['with.dots', 'a'.repeat(60)]) {
      await fails(storage.createBucket(name), 'InvalidBucketName')
      await fails(storage.headBucket(name), 'NoSuchBucket')
    }
  })
})
