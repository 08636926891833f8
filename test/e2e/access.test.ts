import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { formOf, signedFields } from '../lib/html-form.ts'
import { madeUpVersion } from '../lib/real-store.ts'
import { startEmulatedStack } from '../lib/s3-stack.ts'

const Bucket = 'with-access'
const Key = 'object'
const ID = 'sealgate'
const OWNER = { ID, DisplayName: ID }
const OWN = {
  Owner: OWNER,
  Grants: [{ Grantee: { Type: 'CanonicalUser', ...OWNER }, Permission: 'FULL_CONTROL' }],
}
const ALL_BLOCKED = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
}

describe('of who may do what, where nothing of it is handed on,', () => {
  let gateway: TestGateway
  let s3: sdk.S3Client
  before(async () => {
    gateway = await startGateway()
    s3 = gateway.client()
    const bucket = await TestBucket.create(s3, Bucket)
    await bucket.put(Key, 'content')
  })
  after(() => gateway.close())

  it('the owner has all, and nobody else anything', async () => {
    const bucket = await s3.send(new sdk.GetBucketAclCommand({ Bucket }))
    assert.deepEqual([bucket.Owner, bucket.Grants], [OWN.Owner, OWN.Grants])
    const object = await s3.send(new sdk.GetObjectAclCommand({ Bucket, Key }))
    assert.deepEqual([object.Owner, object.Grants], [OWN.Owner, OWN.Grants])
    const { OwnershipControls } = await s3.send(new sdk.GetBucketOwnershipControlsCommand({ Bucket }))
    assert.deepEqual(OwnershipControls, { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] })
    const block = await s3.send(new sdk.GetPublicAccessBlockCommand({ Bucket }))
    assert.deepEqual(block.PublicAccessBlockConfiguration, ALL_BLOCKED)
    await fails(s3.send(new sdk.GetBucketPolicyCommand({ Bucket })), 'NoSuchBucketPolicy', 404)
    await fails(s3.send(new sdk.GetBucketPolicyStatusCommand({ Bucket })), 'NoSuchBucketPolicy', 404)
  })

  it('what says the same is taken, and changes nothing', async () => {
    for (const ACL of ['private', 'bucket-owner-full-control'] as const) {
      await s3.send(new sdk.PutObjectAclCommand({ Bucket, Key, ACL }))
      await s3.send(new sdk.PutObjectCommand({ Bucket, Key, Body: 'content', ACL }))
    }
    await s3.send(new sdk.PutBucketAclCommand({ Bucket, ACL: 'private' }))
    const AccessControlPolicy = OWN as sdk.AccessControlPolicy
    await s3.send(new sdk.PutBucketAclCommand({ Bucket, AccessControlPolicy }))
    await s3.send(new sdk.PutObjectAclCommand({ Bucket, Key, AccessControlPolicy }))
    const OwnershipControls = { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' as const }] }
    await s3.send(new sdk.PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }))
    await s3.send(
      new sdk.PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: ALL_BLOCKED }),
    )
    await s3.send(new sdk.DeleteBucketPolicyCommand({ Bucket }))
  })

  it('an ACL of any other kind is not supported', async () => {
    const grant = (Grantee: sdk.Grantee, Permission: sdk.Permission = 'READ') => ({
      Owner: OWNER,
      Grants: [{ Grantee, Permission }],
    })
    const everybody = { Type: 'Group' as const, URI: 'http://acs.amazonaws.com/groups/global/AllUsers' }
    for (const acl of [
      { ACL: 'public-read' as const },
      { ACL: 'authenticated-read' as const },
      { GrantRead: 'id="1"' },
      { GrantFullControl: `id="${ID}"` },
      { AccessControlPolicy: grant(everybody) },
      { AccessControlPolicy: grant({ Type: 'CanonicalUser', ID: 'another' }, 'FULL_CONTROL') },
      { AccessControlPolicy: grant({ Type: 'CanonicalUser', ID }, 'READ') },
      { AccessControlPolicy: { Owner: OWNER, Grants: [] } },
    ]) {
      const refused = (sent: Promise<unknown>) => fails(sent, 'AccessControlListNotSupported', 400)
      await refused(s3.send(new sdk.PutBucketAclCommand({ Bucket, ...acl })))
      await refused(s3.send(new sdk.PutObjectAclCommand({ Bucket, Key, ...acl })))
      if ('AccessControlPolicy' in acl) continue
      await refused(s3.send(new sdk.PutObjectCommand({ Bucket, Key, Body: 'x', ...acl })))
      await refused(s3.send(new sdk.CreateBucketCommand({ Bucket: 'not-made', ...acl })))
    }
    const odd = { Bucket, ACL: 'everything' as sdk.BucketCannedACL }
    await fails(s3.send(new sdk.PutBucketAclCommand(odd)), 'InvalidArgument', 400)
    await fails(s3.send(new sdk.HeadBucketCommand({ Bucket: 'not-made' })), 'NotFound', 404)
  })

  it('whatever else would change it says how it is switched on', async () => {
    const OwnershipControls = { Rules: [{ ObjectOwnership: 'ObjectWriter' as const }] }
    const PublicAccessBlockConfiguration = { ...ALL_BLOCKED, BlockPublicAcls: false }
    for (const command of [
      new sdk.PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }),
      new sdk.DeleteBucketOwnershipControlsCommand({ Bucket }),
      new sdk.PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }),
      new sdk.DeletePublicAccessBlockCommand({ Bucket }),
      new sdk.PutBucketPolicyCommand({ Bucket, Policy: '{"Statement":[]}' }),
    ])
      await assert.rejects(s3.send(command as sdk.PutBucketPolicyCommand), {
        name: 'NotImplemented',
        message: /^The sub-resource \w+ is switched off: .* s3\.forward /,
      })
  })

  it('a bucket or an object that is not there has none of it', async () => {
    for (const name of ['nowhere-at-all', 'sealgate-system']) {
      await fails(s3.send(new sdk.GetBucketAclCommand({ Bucket: name })), 'NoSuchBucket', 404)
      await fails(s3.send(new sdk.GetPublicAccessBlockCommand({ Bucket: name })), 'NoSuchBucket', 404)
      await fails(s3.send(new sdk.PutBucketAclCommand({ Bucket: name, ACL: 'private' })), 'NoSuchBucket', 404)
      await fails(s3.send(new sdk.GetObjectAclCommand({ Bucket: name, Key })), 'NoSuchBucket', 404)
    }
    await fails(s3.send(new sdk.GetObjectAclCommand({ Bucket, Key: 'none' })), 'NoSuchKey', 404)
    const [status, code] = madeUpVersion()
    await fails(
      s3.send(new sdk.GetObjectAclCommand({ Bucket, Key, VersionId: 'x'.repeat(20) })),
      code,
      status,
    )
  })
})

it('lists of access that come with writes reach the store where they are handed on, and only there', async () => {
  const seen: string[] = []
  const stack = await startEmulatedStack(
    {
      intercept: (call, { headers }) => {
        const acl = Object.entries(headers).filter(([name]) => /^x-amz-(acl|grant-)/.test(name))
        if (acl.length > 0) seen.push(`${call} ${acl.map((pair) => pair.join(' ')).join()}`)
        return false
      },
    },
    { forward: ['acl'] },
  )
  try {
    const { s3, gateway } = stack
    const acl = { ACL: 'public-read' as const }
    await s3.send(new sdk.CreateBucketCommand({ Bucket, ...acl }))
    await s3.send(
      new sdk.PutObjectCommand({ Bucket, Key, Body: 'x', GrantRead: 'id=1', GrantReadACP: 'id=2' }),
    )
    await s3.send(new sdk.CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${Key}`, ...acl }))
    const upload = { Bucket, Key: 'parts' }
    const { UploadId } = await s3.send(new sdk.CreateMultipartUploadCommand({ ...upload, ...acl }))
    const { ETag } = await s3.send(
      new sdk.UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'x' }),
    )
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.send(new sdk.CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }))
    const signed = signedFields(gateway, [{ bucket: Bucket }, { key: 'form' }, { acl: 'authenticated-read' }])
    const form = formOf([['key', 'form'], ['acl', 'authenticated-read'], ...signed], 'x')
    const posted = await fetch(`${gateway.endpoint}/${Bucket}`, { method: 'POST', body: form })
    assert.equal(posted.status, 204)
    assert.deepEqual(seen, [
      'CreateBucket x-amz-acl public-read',
      'PutObject x-amz-grant-read id=1,x-amz-grant-read-acp id=2',
      'CopyObject x-amz-acl public-read',
      'CreateMultipartUpload x-amz-acl public-read',
      'PutObject x-amz-acl authenticated-read',
    ])
    const odd = { ACL: 'everything' as sdk.ObjectCannedACL }
    await fails(s3.send(new sdk.PutObjectCommand({ Bucket, Key, ...odd })), 'InvalidArgument', 400)
  } finally {
    await stack.close()
  }
})
