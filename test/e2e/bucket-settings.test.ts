import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { storedSize } from '../../src/envelope/index.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { type S3Stack, startS3Stack } from '../lib/s3-stack.ts'

const Bucket = 'with-settings'

const CORS = {
  Bucket,
  CORSConfiguration: {
    CORSRules: [
      {
        ID: 'a',
        AllowedMethods: ['GET', 'PUT'],
        AllowedOrigins: ['https://*.example.com'],
        MaxAgeSeconds: 60,
      },
      { AllowedMethods: ['HEAD'], AllowedOrigins: ['*'], AllowedHeaders: ['x-*'], ExposeHeaders: ['ETag'] },
    ],
  },
}

describe('documents that the store keeps', () => {
  let stack: S3Stack
  let s3: sdk.S3Client
  before(async () => {
    stack = await startS3Stack()
    s3 = stack.s3
    await TestBucket.create(s3, Bucket)
  })
  after(() => stack.close())
  afterEach(() =>
    s3.send(new sdk.DeleteBucketLifecycleCommand({ Bucket })).catch((error: Error) => {
      // Where there are no lifecycle rules the tests of these say so.
      if (error.name !== 'NotImplemented') throw error
    }),
  )

  const tags = async () =>
    (await s3.send(new sdk.GetBucketTaggingCommand({ Bucket }))).TagSet?.sort((x, y) =>
      (x.Key ?? '') < (y.Key ?? '') ? -1 : 1,
    )
  const tag = (TagSet: sdk.Tag[]) => s3.send(new sdk.PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }))

  it('tags of a bucket come back as they went in, are replaced and removed', async () => {
    await fails(tags(), 'NoSuchTagSet', 404)
    const set = [
      { Key: 'a b', Value: ' x/y:z+1=@ ' },
      { Key: 'b', Value: '' },
    ]
    await tag([{ Key: 'old', Value: 'x' }])
    await tag(set)
    assert.deepEqual(await tags(), set)
    await s3.send(new sdk.DeleteBucketTaggingCommand({ Bucket }))
    await fails(tags(), 'NoSuchTagSet', 404)
    await s3.send(new sdk.DeleteBucketTaggingCommand({ Bucket }))
  })

  it('tags of a bucket have the letters of every language', async () => {
    await tag([{ Key: 'größe', Value: '大' }])
    assert.deepEqual(await tags(), [{ Key: 'größe', Value: '大' }])
  })

  it('tags of a bucket are held to the rules of S3', async () => {
    const set = (count: number) => Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, Value: 'v' }))
    await tag(set(50))
    await fails(tag(set(51)), 'BadRequest', 400)
    for (const [Key, Value] of [
      ['', 'v'],
      ['k'.repeat(129), 'v'],
      ['k', 'v'.repeat(257)],
      ['a,b', 'v'],
      ['k', '[]'],
      ['aws:k', 'v'],
    ] as const)
      await fails(tag([{ Key, Value }]), 'InvalidTag', 400)
    await fails(
      tag([
        { Key: 'k', Value: '1' },
        { Key: 'k', Value: '2' },
      ]),
      'InvalidTag',
      400,
    )
    assert.equal((await tags())?.length, 50)
  })

  it('CORS rules come back as they went in, and are removed', async () => {
    await fails(s3.send(new sdk.GetBucketCorsCommand({ Bucket })), 'NoSuchCORSConfiguration', 404)
    await s3.send(new sdk.PutBucketCorsCommand(CORS))
    const { CORSRules } = await s3.send(new sdk.GetBucketCorsCommand({ Bucket }))
    assert.deepEqual(
      CORSRules?.map((rule) => ({ ...rule, AllowedMethods: rule.AllowedMethods?.sort() })),
      CORS.CORSConfiguration.CORSRules,
    )
    const rules = CORS.CORSConfiguration.CORSRules
    for (const CORSRules of [
      Array.from({ length: 101 }, () => rules[0]),
      [{ ...rules[0], AllowedOrigins: ['https://*.*'] }],
      [{ ...rules[0], AllowedHeaders: ['*-*'] }],
    ] as sdk.CORSRule[][])
      await fails(
        s3.send(new sdk.PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } })),
        'InvalidRequest',
        400,
      )
    await s3.send(new sdk.DeleteBucketCorsCommand({ Bucket }))
    await fails(s3.send(new sdk.GetBucketCorsCommand({ Bucket })), 'NoSuchCORSConfiguration', 404)
  })

  it('of buckets that are not there, or are the system bucket, are NoSuchBucket', async () => {
    for (const name of ['nowhere-at-all', 'sealgate-system']) {
      await fails(s3.send(new sdk.GetBucketCorsCommand({ ...CORS, Bucket: name })), 'NoSuchBucket', 404)
      await fails(s3.send(new sdk.PutBucketCorsCommand({ ...CORS, Bucket: name })), 'NoSuchBucket', 404)
      await fails(s3.send(new sdk.DeleteBucketCorsCommand({ Bucket: name })), 'NoSuchBucket', 404)
    }
  })

  const lifecycle = (...Rules: sdk.LifecycleRule[]) =>
    s3.send(new sdk.PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
  const rules = async () => (await s3.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules

  it('lifecycle rules come back as they went in, and are removed', async () => {
    await fails(rules(), 'NoSuchLifecycleConfiguration', 404)
    const Rules: sdk.LifecycleRule[] = [
      { ID: 'a', Status: 'Enabled', Filter: { Prefix: 'logs/' }, Expiration: { Days: 30 } },
      {
        ID: 'b',
        Status: 'Disabled',
        Filter: { And: { Prefix: 'b/', Tags: [{ Key: 'a', Value: 'b' }] } },
        NoncurrentVersionExpiration: { NoncurrentDays: 3 },
      },
    ]
    await lifecycle(...Rules)
    const byId = (found: sdk.LifecycleRule[] | undefined) =>
      found?.sort((x, y) => ((x.ID ?? '') < (y.ID ?? '') ? -1 : 1))
    assert.deepEqual(byId(await rules()), Rules)
    await s3.send(new sdk.DeleteBucketLifecycleCommand({ Bucket }))
    await fails(rules(), 'NoSuchLifecycleConfiguration', 404)
  })

  it('lifecycle rules may end uploads that are not completed', async () => {
    const AbortIncompleteMultipartUpload = { DaysAfterInitiation: 7 }
    const rule = {
      ID: 'u',
      Status: 'Enabled' as const,
      Filter: { Prefix: 'u/' },
      AbortIncompleteMultipartUpload,
    }
    await lifecycle(rule)
    assert.deepEqual(await rules(), [rule])
  })

  it('sizes in lifecycle rules are plaintext here, and what lets through the same objects at the store', async () => {
    const And = { Prefix: 'logs/', ObjectSizeGreaterThan: 131_072, ObjectSizeLessThan: 10 * 2 ** 30 }
    const Rules: sdk.LifecycleRule[] = [
      { ID: 'large', Status: 'Enabled', Filter: { And }, Expiration: { Days: 30 } },
      { ID: 'small', Status: 'Enabled', Filter: { ObjectSizeLessThan: 1 }, Expiration: { Days: 1 } },
    ]
    await lifecycle(...Rules)
    const at = { bucket: `acme-${Bucket}`, key: '', name: 'lifecycle', id: undefined }
    const text = stack.server?.subresources.get(at).text
    for (const [name, plain] of [
      ['ObjectSizeGreaterThan', 131_072],
      ['ObjectSizeLessThan', 10 * 2 ** 30],
      ['ObjectSizeLessThan', 1],
    ] as const)
      if (text !== undefined) assert.ok(text.includes(`<${name}>${storedSize(plain)}</${name}>`), text)
    assert.deepEqual(await rules(), Rules)
  })

  it('lifecycle rules that could act on more than they say are refused', async () => {
    const rule = { Status: 'Enabled' as const, Expiration: { Days: 1 } }
    for (const [code, odd] of [
      ['MalformedXML', { ...rule }],
      ['MalformedXML', { ...rule, Filter: { Prefix: 'a', ObjectSizeLessThan: 1 } }],
      ['MalformedXML', { ...rule, Prefix: '', Filter: { Prefix: 'a' } }],
      ['MalformedXML', { ...rule, Filter: { And: { Prefix: 'a' } } }],
      ['InvalidRequest', { Status: 'Enabled', Filter: { Prefix: '' } }],
      ['InvalidRequest', { ...rule, Filter: { And: { ObjectSizeGreaterThan: 5, ObjectSizeLessThan: 5 } } }],
      ['InvalidArgument', { ...rule, Filter: { ObjectSizeLessThan: 2 ** 52 } }],
    ] as [string, sdk.LifecycleRule][])
      await fails(lifecycle(odd), code, 400)
    const same = { ...rule, ID: 'same', Filter: { Prefix: '' } }
    await fails(lifecycle(same, same), 'InvalidArgument', 400)
    await fails(lifecycle({ ...same, ID: 'i'.repeat(256) }), 'InvalidArgument', 400)
    await fails(rules(), 'NoSuchLifecycleConfiguration', 404)
    await lifecycle({ ...same, ID: 'i'.repeat(255) })
  })

  it('the encryption of a bucket is the configured one, and asking for another is refused', async () => {
    const encryption = async () =>
      (await s3.send(new sdk.GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration?.Rules
    const cmk = stack.gateway.gateway.keys.cmkOf(Bucket)
    const rule = {
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' as const, KMSMasterKeyID: cmk },
      BucketKeyEnabled: true,
    }
    assert.deepEqual(await encryption(), [rule])
    const put = (...Rules: sdk.ServerSideEncryptionRule[]) =>
      s3.send(new sdk.PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }))
    await put(rule)
    await put({ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } })
    await put({ BucketKeyEnabled: true })
    for (const SSEAlgorithm of ['AES256', 'aws:kms:dsse'] as const)
      await fails(put({ ApplyServerSideEncryptionByDefault: { SSEAlgorithm } }), 'NotImplemented', 501)
    await fails(put({ ...rule, BucketKeyEnabled: false }), 'NotImplemented', 501)
    const other = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'local:0000000000000000' } as const
    await fails(put({ ApplyServerSideEncryptionByDefault: other }), 'KMS.NotFoundException', 400)
    await s3.send(new sdk.DeleteBucketEncryptionCommand({ Bucket }))
    assert.deepEqual(await encryption(), [rule])
    await fails(s3.send(new sdk.GetBucketEncryptionCommand({ Bucket: 'nowhere' })), 'NoSuchBucket', 404)
  })

  it('what lets others in, or data out, is off and says how it is switched on', async () => {
    const input = { Bucket, Key: 'k', Id: 'i' }
    const commands = [
      ...[sdk.GetBucketReplicationCommand, sdk.GetBucketNotificationConfigurationCommand],
      ...[sdk.GetBucketWebsiteCommand, sdk.GetBucketLoggingCommand],
      ...[sdk.GetBucketInventoryConfigurationCommand, sdk.ListBucketInventoryConfigurationsCommand],
      ...[sdk.GetBucketAccelerateConfigurationCommand, sdk.GetBucketRequestPaymentCommand],
      ...[sdk.GetBucketMetricsConfigurationCommand],
      ...[sdk.GetBucketAnalyticsConfigurationCommand, sdk.GetBucketIntelligentTieringConfigurationCommand],
    ] as unknown as (new (
      input: object,
    ) => sdk.GetBucketAclCommand)[]
    stack.server?.counted()
    for (const Command of commands)
      await assert.rejects(s3.send(new Command(input)), (error: Error) => {
        assert.equal(error.name, 'NotImplemented')
        assert.match(error.message, /^The sub-resource [A-Za-z-]+ is switched off: .* s3\.forward /)
        return true
      })
    assert.deepEqual(stack.server?.counted() ?? [], [], 'the store is not asked')
  })
})
