import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type COS from 'cos-nodejs-sdk-v5'
import { cosClient } from './cos-client.ts'
import { type CosServer, startCosServer } from './cos-server.ts'

let server: CosServer
let cos: COS
let at: { readonly Bucket: string; readonly Region: string }

before(async () => {
  server = await startCosServer()
  cos = cosClient(server)
  at = { Bucket: `kept-${server.appid}`, Region: server.region }
  await cos.putBucket(at)
})
after(() => server.close())

const versioned = (Status: 'Enabled' | 'Suspended') =>
  cos.putBucketVersioning({ ...at, VersioningConfiguration: { Status } })
const put = async (Key: string, Body: string, more: object = {}) =>
  (await cos.putObject({ ...at, Key, Body, ...more })).headers?.['x-cos-version-id'] as string | undefined
const read = async (Key: string, VersionId?: string) =>
  String((await cos.getObject({ ...at, Key, ...(VersionId === undefined ? {} : { VersionId }) })).Body)

async function listed(Prefix: string, more: object = {}) {
  const answer = await cos.listObjectVersions({ ...at, Prefix, ...more } as never)
  return answer as unknown as {
    Versions: { VersionId: string; IsLatest: string; Size: string }[]
    DeleteMarkers: { VersionId: string; IsLatest: string }[]
    IsTruncated: string
    NextKeyMarker?: string
    NextVersionIdMarker?: string
  }
}

function refused(call: Promise<unknown>, code: string, status: number): Promise<void> {
  return assert.rejects(call, (error: { code?: string; statusCode?: number }) => {
    assert.deepEqual([error.code, error.statusCode], [code, status])
    return true
  })
}

describe('versions of COS', () => {
  it('come with every write, are hidden by markers, and go one by one', async () => {
    assert.equal(await put('k', 'zero'), undefined)
    await versioned('Enabled')
    const [one, two] = [await put('k', 'one'), await put('k', 'two')]
    assert.deepEqual(
      [await read('k'), await read('k', one), await read('k', two), await read('k', 'null')],
      ['two', 'one', 'two', 'zero'],
    )
    const { headers = {} } = await cos.deleteObject({ ...at, Key: 'k' })
    const marker = headers['x-cos-version-id'] as string
    assert.equal(headers['x-cos-delete-marker'], 'true')
    await refused(read('k'), 'NoSuchKey', 404)
    await refused(read('k', marker), 'MethodNotAllowed', 405)
    const { Versions, DeleteMarkers } = await listed('k')
    assert.deepEqual(
      [...DeleteMarkers, ...Versions].map(({ VersionId, IsLatest }) => [VersionId, IsLatest]),
      [
        [marker, 'true'],
        [two, 'false'],
        [one, 'false'],
        ['null', 'false'],
      ],
    )
    await cos.deleteObject({ ...at, Key: 'k', VersionId: marker } as never)
    assert.equal(await read('k'), 'two')
    await refused(read('k', 'MTg0NDUxNTc1NjIzMTQ1MDAwODg'), 'NoSuchVersion', 404)
  })

  it('are listed in pages', async () => {
    await versioned('Enabled')
    const ids = [await put('page', 'a'), await put('page', 'bb'), await put('page', 'ccc')].reverse()
    const first = await listed('page', { MaxKeys: '2' })
    assert.deepEqual([first.IsTruncated, first.NextVersionIdMarker], ['true', ids[1]])
    const rest = await listed('page', { KeyMarker: 'page', VersionIdMarker: ids[1] })
    assert.deepEqual(
      rest.Versions.map(({ VersionId, Size }) => [VersionId, Size]),
      [[ids[2], '1']],
    )
  })

  it('are the one that is null while they are suspended', async () => {
    await versioned('Enabled')
    const kept = await put('suspended', 'kept')
    await versioned('Suspended')
    assert.equal(await put('suspended', 'null 1'), undefined)
    await put('suspended', 'null 2')
    const { Versions } = await listed('suspended')
    assert.deepEqual(
      Versions.map(({ VersionId }) => VersionId),
      ['null', kept],
    )
    assert.equal(await read('suspended', 'null'), 'null 2')
    const upload = { ...at, Key: 'joined', UploadId: '' }
    upload.UploadId = (await cos.multipartInit(upload)).UploadId
    const { ETag } = await cos.multipartUpload({ ...upload, PartNumber: 1, Body: 'x' })
    const { headers } = await cos.multipartComplete({ ...upload, Parts: [{ PartNumber: 1, ETag }] })
    assert.equal(headers?.['x-cos-version-id'], 'null')
  })

  it('make the condition of a write void', async () => {
    await versioned('Enabled')
    const forbid = { Headers: { 'x-cos-forbid-overwrite': 'true' } }
    await put('over', '1', forbid)
    await put('over', '2', forbid)
    assert.equal(await read('over'), '2')
  })
})

describe('the deletion of many objects at COS', () => {
  const remove = (Objects: { Key: string; VersionId?: string }[], more: object = {}) =>
    cos.deleteMultipleObject({ ...at, Objects, ...more })

  it('removes those that are there, and says the same of others', async () => {
    await versioned('Enabled')
    const id = await put('one', '1')
    await put('two', '2')
    const { Deleted } = await remove([{ Key: 'one', VersionId: id! }, { Key: 'two' }, { Key: 'absent' }])
    assert.deepEqual(
      Deleted.map(({ Key, DeleteMarker }) => [Key, DeleteMarker]),
      [
        ['one', undefined],
        ['two', 'true'],
        ['absent', 'true'],
      ],
    )
    const quiet = await remove([{ Key: 'two' }], { Quiet: true })
    assert.deepEqual(quiet.Deleted, [])
  })

  it('deletes nothing by a name with a slash in front, and says that it did', async () => {
    await put('slash', 'x')
    await remove([{ Key: '/slash' }])
    assert.equal(await read('slash'), 'x')
  })

  it('needs a digest that fits', async () => {
    const body = '<Delete><Object><Key>k</Key></Object></Delete>'
    const send = (headers: Record<string, string>) =>
      cos.request({
        ...at,
        Method: 'POST',
        Key: '',
        Query: { delete: '' },
        Body: body,
        Headers: headers,
      } as never)
    await refused(send({}), 'InvalidRequest', 400)
    await refused(send({ 'Content-MD5': createHash('md5').update('x').digest('base64') }), 'BadDigest', 400)
  })
})

describe('tags of COS', () => {
  it('come with a write or later, are counted, and go', async () => {
    const Key = 'tagged'
    await put(Key, 'x', { Headers: { 'x-cos-tagging': 'a=1&b%20c=%C3%A9' } })
    const tags = async () => (await cos.getObjectTagging({ ...at, Key })).Tags
    assert.deepEqual(await tags(), [
      { Key: 'a', Value: '1' },
      { Key: 'b c', Value: 'é' },
    ])
    const { headers } = await cos.headObject({ ...at, Key })
    assert.equal(headers?.['x-cos-tagging-count'], '2')
    await cos.putObjectTagging({ ...at, Key, Tags: [{ Key: 'other', Value: '' }] })
    assert.deepEqual(await tags(), [{ Key: 'other', Value: '' }])
    await cos.deleteObjectTagging({ ...at, Key })
    // The SDK takes the refusal for none.
    assert.deepEqual(await tags(), [])
    const asked = { ...at, Method: 'GET', Key, Query: { tagging: '' } }
    await refused(cos.request(asked as never), 'NoSuchTagSet', 404)
    const many = Array.from({ length: 11 }, (_, n) => ({ Key: `k${n}`, Value: '' }))
    await refused(cos.putObjectTagging({ ...at, Key, Tags: many }), 'InvalidTag', 400)
  })
})
