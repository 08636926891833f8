import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isError, SealgateError } from '../../src/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { WireCapabilities } from '../../src/storage/wire/capabilities.ts'
import { type S3Server, type S3ServerOptions, startS3Server } from '../emulators/s3-server.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

interface Opened {
  readonly server: S3Server
  readonly storage: Storage
  readonly warnings: string[]
  close(): Promise<void>
}

async function open(options: S3ServerOptions = {}): Promise<Opened> {
  const server = await startS3Server(options)
  const warnings: string[] = []
  const storage = await openStoreBefore(server, { warn: (message) => warnings.push(message) })
  const close = async () => {
    await storage.close()
    await server.close()
  }
  return { server, storage, warnings, close }
}

async function versionedBucket({ storage }: Opened, bucket: string): Promise<void> {
  await storage.createBucket(bucket)
  await storage.versioning?.putBucketVersioning(bucket, 'Enabled')
}

function put({ storage }: Opened, bucket: string, text: string, condition?: { ifNoneMatch: '*' }) {
  const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
  return storage.putObject({
    bucket,
    key: 'k',
    ...attributes,
    size: text.length,
    body: bodyOf(text),
    condition,
  })
}

async function* bodyOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

const isKind = (kind: SealgateError['kind']) => (error: unknown) => isError(error, kind)

describe('versions over the wire', () => {
  let opened: Opened
  before(async () => {
    opened = await open()
    await versionedBucket(opened, 'bucket')
    await opened.storage.createBucket('plain')
  })
  after(() => opened.close())

  it('cost no calls of their own', async () => {
    const { server, storage } = opened
    const { versionId = '' } = await put(opened, 'bucket', 'one')
    server.counted()
    await storage.headObject({ bucket: 'bucket', key: 'k', versionId })
    const { body } = await storage.getObject({ bucket: 'bucket', key: 'k', versionId })
    body.destroy()
    await storage.deleteObject({ bucket: 'bucket', key: 'k', versionId })
    await put(opened, 'bucket', 'two', { ifNoneMatch: '*' })
    assert.deepEqual(server.counted(), ['HeadObject', 'GetObject', 'DeleteObject', 'PutObject'])
  })

  it('leave no bucket of those in which conditions were tried, nor are such buckets shown or made for clients', async () => {
    const { server, storage, warnings } = opened
    const names = (await server.storage.listBuckets()).map(({ name }) => name)
    assert.deepEqual([names, warnings], [['bucket', 'plain', 'records'], []])
    await server.storage.createBucket('records-probe-0123')
    const shown = (await storage.listBuckets()).map(({ name }) => name)
    assert.deepEqual(shown, ['bucket', 'plain', 'records'])
    await assert.rejects(storage.headBucket('records-probe-0123'), isKind('NoSuchBucket'))
    await assert.rejects(storage.createBucket('records-probe-4567'), isKind('BucketAlreadyExists'))
  })
})

describe('a start that was killed', () => {
  it('leaves a bucket that a later one removes, once it is old, and no other bucket', async () => {
    const names = ['records-probe-0123456789ab', 'records-probe-mine', 'records-probe-ba9876543210']
    const [old = '', , young = ''] = names
    const HOUR = 3_600_000
    const opened = await open({
      wrap: (storage) => {
        const listBuckets = async () =>
          (await storage.listBuckets()).map(({ name, createdAt }) => ({
            name,
            createdAt: name === young ? createdAt : createdAt - 2 * HOUR,
          }))
        return new Proxy(storage, {
          get(target, name: keyof Storage) {
            const value = name === 'listBuckets' ? listBuckets : target[name]
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      },
    })
    try {
      const { storage } = opened.server
      for (const bucket of names) {
        await storage.createBucket(bucket)
        await storage.versioning?.putBucketVersioning(bucket, 'Enabled')
        await storage.putObject({
          ...{ bucket, key: 'k', headers: {}, metadata: {}, storageClass: 'STANDARD' },
          ...{ size: 1, body: bodyOf('x') },
        })
        await storage.deleteObject({ bucket, key: 'k' })
      }
      await (await openStoreBefore(opened.server)).close()
      const left = (await storage.listBuckets()).map(({ name }) => name)
      assert.deepEqual(left.sort(), ['records', ...names.filter((name) => name !== old)].sort())
    } finally {
      await opened.close()
    }
  })

  it('is followed by processes that try nothing again, if one of them has', async () => {
    const opened = await open()
    try {
      const known = opened.storage.capabilities as WireCapabilities
      opened.server.counted()
      const other = await openStoreBefore(opened.server, { known })
      assert.deepEqual(other.capabilities, known)
      const calls = opened.server.counted()
      assert.ok(calls.length < 8 && !calls.includes('PutObject'), calls.join())
      await other.createBucket('of-the-other')
      await put({ ...opened, storage: other }, 'of-the-other', 'one', { ifNoneMatch: '*' })
      await other.close()
    } finally {
      await opened.close()
    }
  })
})

describe('a server that takes no notice of version ids', () => {
  it('does not get the newest version taken for the one that was asked for', async () => {
    const opened = await open({ ignores: ['version-ids'] })
    try {
      await versionedBucket(opened, 'bucket')
      const { versionId = '' } = await put(opened, 'bucket', 'one')
      await put(opened, 'bucket', 'two')
      const name = { bucket: 'bucket', key: 'k', versionId }
      await assert.rejects(opened.storage.headObject(name), isKind('ObjectIntegrityError'))
      await assert.rejects(opened.storage.getObject(name), isKind('ObjectIntegrityError'))
      await assert.rejects(
        opened.storage.getObject({ ...name, versionId: 'null' }),
        isKind('ObjectIntegrityError'),
      )
    } finally {
      await opened.close()
    }
  })
})

describe('conditions where it cannot be tried what holds with versions', () => {
  let opened: Opened
  before(async () => {
    opened = await open({
      intercept: (call, request) => {
        if (call === 'CreateBucket' && request.url?.includes('-probe-') === true)
          throw new SealgateError('AccessDenied')
        return false
      },
    })
    await versionedBucket(opened, 'bucket')
    await opened.storage.createBucket('plain')
  })
  after(() => opened.close())

  it('are refused in buckets with versions, and the operator is told why', async () => {
    const { server, storage, warnings } = opened
    assert.match(warnings.join('\n'), /no bucket records-probe-[0-9a-f]{12} can be made/)
    server.counted()
    await assert.rejects(put(opened, 'bucket', 'one', { ifNoneMatch: '*' }), isKind('NotImplemented'))
    assert.deepEqual(server.counted(), ['GetBucketVersioning'])
    await storage.versioning?.putBucketVersioning('bucket', 'Suspended')
    await assert.rejects(put(opened, 'bucket', 'one', { ifNoneMatch: '*' }), isKind('NotImplemented'))
  })

  it('are enforced in other buckets, and for the records of the deployment without a question', async () => {
    const { server } = opened
    await put(opened, 'plain', 'one', { ifNoneMatch: '*' })
    await assert.rejects(put(opened, 'plain', 'two', { ifNoneMatch: '*' }), isKind('PreconditionFailed'))
    server.counted()
    await put(opened, 'records', 'one', { ifNoneMatch: '*' })
    assert.deepEqual(server.counted(), ['PutObject'])
  })
})
