import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { after, before, describe, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { FORWARDABLE } from '../../src/base/forwardable.ts'
import type { S3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { send } from '../lib/raw-http.ts'
import { startEmulatedStack } from '../lib/s3-stack.ts'

const Bucket = 'with-settings'

type Stack = Awaited<ReturnType<typeof start>>

async function start(...options: Parameters<typeof startEmulatedStack>) {
  const stack = await startEmulatedStack(...options)
  await TestBucket.create(stack.s3, Bucket)
  return stack
}

/** The text of a document at the store. */
function kept({ server }: { readonly server: S3Server }, name: string, id?: string): string {
  return server.subresources.get({ bucket: `acme-${Bucket}`, key: '', name, id }).text
}

describe('documents that are handed on where the configuration says so', () => {
  let stack: Stack
  let s3: sdk.S3Client
  before(async () => {
    stack = await start({}, { forward: FORWARDABLE })
    s3 = stack.s3
    await TestBucket.create(s3, 'reports')
  })
  after(() => stack.close())

  it('a policy names the bucket as the store does, and shows it as clients do', async () => {
    const Resource = [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/public/*`]
    const Statement = [
      { Sid: 's', Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource },
      {
        Effect: 'Deny',
        Principal: { AWS: ['1'] },
        NotAction: ['s3:*'],
        Resource: Resource[1],
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
    ]
    const Policy = JSON.stringify({ Version: '2012-10-17', Id: 'p', Statement })
    await s3.send(new sdk.PutBucketPolicyCommand({ Bucket, Policy }))
    assert.equal(kept(stack, 'policy'), Policy.replaceAll(`:::${Bucket}`, `:::acme-${Bucket}`))
    const found = await s3.send(new sdk.GetBucketPolicyCommand({ Bucket }))
    assert.deepEqual(JSON.parse(found.Policy ?? ''), JSON.parse(Policy))
    const refused = [
      '{',
      '[]',
      JSON.stringify({ Statement: [{ Resource: '*' }] }),
      JSON.stringify({ Statement: [{ Resource: 'arn:aws:s3:::reports/*' }] }),
      JSON.stringify({ Statement: [{ NotResource: ['arn:aws:s3:::sealgate-system/*'] }] }),
      JSON.stringify({ Statement: [], Other: 1 }),
      JSON.stringify({ Statement: [{ Other: 1 }] }),
      `{"Id":"${'x'.repeat(20_480)}"}`,
    ]
    for (const other of refused)
      await fails(s3.send(new sdk.PutBucketPolicyCommand({ Bucket, Policy: other })), 'MalformedPolicy', 400)
    await s3.send(new sdk.DeleteBucketPolicyCommand({ Bucket }))
    await fails(s3.send(new sdk.GetBucketPolicyCommand({ Bucket })), 'NoSuchBucketPolicy', 404)
  })

  it('other buckets in a document are those of this deployment, and never the system bucket', async () => {
    const BucketLoggingStatus = { LoggingEnabled: { TargetBucket: 'reports', TargetPrefix: 'l/' } }
    await s3.send(new sdk.PutBucketLoggingCommand({ Bucket, BucketLoggingStatus }))
    assert.match(kept(stack, 'logging'), /<TargetBucket>acme-reports</)
    const { LoggingEnabled } = await s3.send(new sdk.GetBucketLoggingCommand({ Bucket }))
    assert.deepEqual(LoggingEnabled, BucketLoggingStatus.LoggingEnabled)
    for (const TargetBucket of ['sealgate-system']) {
      const status = { LoggingEnabled: { TargetBucket, TargetPrefix: '' } }
      await fails(
        s3.send(new sdk.PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: status })),
        'NoSuchBucket',
        404,
      )
    }
    const inventory = (arn: string) => ({
      Bucket,
      Id: 'i',
      InventoryConfiguration: {
        Id: 'i',
        IsEnabled: true,
        IncludedObjectVersions: 'All' as const,
        Schedule: { Frequency: 'Daily' as const },
        Destination: { S3BucketDestination: { Bucket: arn, Format: 'CSV' as const } },
      },
    })
    const wanted = inventory('arn:aws:s3:::reports')
    await s3.send(new sdk.PutBucketInventoryConfigurationCommand(wanted))
    assert.match(kept(stack, 'inventory', 'i'), /<Bucket>arn:aws:s3:::acme-reports</)
    const one = await s3.send(new sdk.GetBucketInventoryConfigurationCommand({ Bucket, Id: 'i' }))
    assert.deepEqual(one.InventoryConfiguration, wanted.InventoryConfiguration)
    const all = await s3.send(new sdk.ListBucketInventoryConfigurationsCommand({ Bucket }))
    assert.deepEqual(all.InventoryConfigurationList, [wanted.InventoryConfiguration])
    const elsewhere = inventory('arn:aws:sqs:eu:1:queue')
    await fails(s3.send(new sdk.PutBucketInventoryConfigurationCommand(elsewhere)), 'InvalidArgument', 400)
  })

  it('access control lists keep the kind of a grantee, and canned ones go as a header', async () => {
    const Grants = [
      { Grantee: { Type: 'CanonicalUser' as const, ID: 'abc' }, Permission: 'FULL_CONTROL' as const },
      {
        Grantee: { Type: 'Group' as const, URI: 'http://acs.amazonaws.com/groups/global/AllUsers' },
        Permission: 'READ' as const,
      },
    ]
    const AccessControlPolicy = { Owner: { ID: 'abc' }, Grants }
    await s3.send(new sdk.PutBucketAclCommand({ Bucket, AccessControlPolicy }))
    const found = await s3.send(new sdk.GetBucketAclCommand({ Bucket }))
    assert.deepEqual([found.Owner, found.Grants], [AccessControlPolicy.Owner, Grants])
    await s3.send(new sdk.PutBucketAclCommand({ Bucket, ACL: 'public-read' }))
    const { headers } = stack.server.subresources.get({
      bucket: `acme-${Bucket}`,
      key: '',
      name: 'acl',
      id: undefined,
    })
    assert.equal(headers['x-amz-acl'], 'public-read')
    const odd = { Bucket, ACL: 'everything' as sdk.BucketCannedACL }
    await fails(s3.send(new sdk.PutBucketAclCommand(odd)), 'InvalidArgument', 400)
  })

  it('of every kind go through and come back', async () => {
    const put = async <I extends object, O extends object>(
      Put: new (input: I) => sdk.PutBucketWebsiteCommand,
      Get: new (input: { Bucket: string; Id: string }) => sdk.GetBucketWebsiteCommand,
      input: I,
    ): Promise<O> => {
      await s3.send(new Put(input))
      const { $metadata: _, ...found } = await s3.send(new Get({ Bucket, Id: 'i' }))
      return found as O
    }
    type Any = never
    const through = async (Put: unknown, Get: unknown, input: object, want: object) =>
      assert.deepEqual(await put(Put as Any, Get as Any, { Bucket, Id: 'i', ...input }), want)
    const website = { IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'e' } }
    await through(
      sdk.PutBucketWebsiteCommand,
      sdk.GetBucketWebsiteCommand,
      { WebsiteConfiguration: website },
      website,
    )
    const owners = { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] }
    await through(
      sdk.PutBucketOwnershipControlsCommand,
      sdk.GetBucketOwnershipControlsCommand,
      { OwnershipControls: owners },
      { OwnershipControls: owners },
    )
    const block = { BlockPublicAcls: true, RestrictPublicBuckets: false }
    await through(
      sdk.PutPublicAccessBlockCommand,
      sdk.GetPublicAccessBlockCommand,
      { PublicAccessBlockConfiguration: block },
      { PublicAccessBlockConfiguration: block },
    )
    const events = {
      QueueConfigurations: [
        {
          Id: 'q',
          QueueArn: 'arn:aws:sqs:eu-central-1:123456789012:q',
          Events: ['s3:ObjectCreated:*'],
          Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'a/' }] } },
        },
      ],
    }
    await through(
      sdk.PutBucketNotificationConfigurationCommand,
      sdk.GetBucketNotificationConfigurationCommand,
      { NotificationConfiguration: events },
      events,
    )
    const accelerate = { Status: 'Enabled' }
    await through(
      sdk.PutBucketAccelerateConfigurationCommand,
      sdk.GetBucketAccelerateConfigurationCommand,
      { AccelerateConfiguration: accelerate },
      accelerate,
    )
    const payment = { Payer: 'Requester' }
    await through(
      sdk.PutBucketRequestPaymentCommand,
      sdk.GetBucketRequestPaymentCommand,
      { RequestPaymentConfiguration: payment },
      payment,
    )
    const replication = {
      Role: 'arn:aws:iam::1:role/r',
      Rules: [
        {
          ID: 'r',
          Priority: 1,
          Filter: { Prefix: '' },
          Status: 'Enabled',
          DeleteMarkerReplication: { Status: 'Disabled' },
          Destination: { Bucket: 'arn:aws:s3:::reports' },
        },
      ],
    }
    await through(
      sdk.PutBucketReplicationCommand,
      sdk.GetBucketReplicationCommand,
      { ReplicationConfiguration: replication },
      { ReplicationConfiguration: replication },
    )
    assert.match(kept(stack, 'replication'), /arn:aws:s3:::acme-reports/)
    const metrics = { Id: 'i', Filter: { Prefix: 'a/' } }
    await through(
      sdk.PutBucketMetricsConfigurationCommand,
      sdk.GetBucketMetricsConfigurationCommand,
      { MetricsConfiguration: metrics },
      { MetricsConfiguration: metrics },
    )
    const analytics = {
      Id: 'i',
      StorageClassAnalysis: {
        DataExport: {
          OutputSchemaVersion: 'V_1',
          Destination: { S3BucketDestination: { Bucket: 'arn:aws:s3:::reports', Format: 'CSV' } },
        },
      },
    }
    await through(
      sdk.PutBucketAnalyticsConfigurationCommand,
      sdk.GetBucketAnalyticsConfigurationCommand,
      { AnalyticsConfiguration: analytics },
      { AnalyticsConfiguration: analytics },
    )
    const tiering = { Id: 'i', Status: 'Enabled', Tierings: [{ Days: 90, AccessTier: 'ARCHIVE_ACCESS' }] }
    await through(
      sdk.PutBucketIntelligentTieringConfigurationCommand,
      sdk.GetBucketIntelligentTieringConfigurationCommand,
      { IntelligentTieringConfiguration: tiering },
      { IntelligentTieringConfiguration: tiering },
    )
  })
})

it('a store that drops sizes from lifecycle rules keeps what it had, and the client is told', async () => {
  const stack = await start({ unknownElements: ['ObjectSizeGreaterThan'] })
  const { s3 } = stack
  try {
    const put = (Filter: sdk.LifecycleRuleFilter) =>
      s3.send(
        new sdk.PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: {
            Rules: [{ ID: 'r', Status: 'Enabled', Filter, Expiration: { Days: 1 } }],
          },
        }),
      )
    const large = { ObjectSizeGreaterThan: 1_000_000 }
    await fails(put(large), 'NotImplemented', 501)
    const get = () => s3.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket }))
    await fails(get(), 'NoSuchLifecycleConfiguration', 404)
    await put({ Prefix: 'tmp/' })
    const before = kept(stack, 'lifecycle')
    await fails(put(large), 'NotImplemented', 501)
    assert.equal(kept(stack, 'lifecycle'), before)
  } finally {
    await stack.close()
  }
})

it('sizes are refused in rules of a bucket that may hold plaintext, whose objects have another length', async () => {
  const stack = await start({}, { readsPlaintext: (bucket) => bucket === Bucket })
  try {
    const put = (Filter: sdk.LifecycleRuleFilter) =>
      stack.s3.send(
        new sdk.PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: { Rules: [{ Status: 'Enabled', Filter, Expiration: { Days: 1 } }] },
        }),
      )
    await fails(put({ ObjectSizeLessThan: 1000 }), 'NotImplemented', 501)
    await put({ Prefix: 'tmp/' })
  } finally {
    await stack.close()
  }
})

describe('what comes from a store', () => {
  let stack: Stack
  let answer: { readonly body: string; readonly headers?: Record<string, string> } | null = null
  before(async () => {
    const intercept = (name: string, _request: unknown, response: ServerResponse) => {
      if (answer === null || name !== 'GetSubresource') return false
      response.writeHead(200, answer.headers).end(answer.body)
      return true
    }
    stack = await start({ intercept }, { forward: ['publicAccessBlock'] })
  })
  after(() => stack.close())
  const cors = (rule: string) => `<CORSConfiguration><CORSRule>${rule}</CORSRule></CORSConfiguration>`
  const RULE = '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'

  it('reaches clients only as far as the document may hold it, and no header does', async () => {
    answer = {
      body: `<?xml version="1.0"?><CORSConfiguration xmlns="urn:x" a="b"><Extra>secret</Extra><CORSRule><Other><A/></Other>${RULE}</CORSRule></CORSConfiguration>`,
      headers: {
        'set-cookie': 'a=b',
        'x-amz-meta-a': 'b',
        'content-type': 'text/html',
        'access-control-allow-origin': '*',
        'x-amz-transition-default-minimum-object-size': 'all_storage_classes_128K',
      },
    }
    const raw = await send(stack.gateway, { target: `/${Bucket}?cors` })
    assert.equal(
      raw.body,
      `<?xml version="1.0" encoding="UTF-8"?>\n<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>`,
    )
    assert.deepEqual([...raw.headers.keys()].sort(), [
      ...['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'server'],
      ...['x-amz-id-2', 'x-amz-request-id'],
    ])
  })

  it('has the name that S3 gives it, whatever the store calls it', async () => {
    answer = {
      body: '<BlockPublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></BlockPublicAccessBlockConfiguration>',
    }
    const raw = await send(stack.gateway, { target: `/${Bucket}?publicAccessBlock` })
    assert.match(raw.body, /<PublicAccessBlockConfiguration [^>]*><BlockPublicAcls>true</)
  })

  it('is refused where it makes no sense, is too large or too deep, or would grow', async () => {
    const { s3 } = stack
    const bomb = `<!DOCTYPE a [<!ENTITY b "${'c'.repeat(1000)}"><!ENTITY d "${'&b;'.repeat(1000)}">]>`
    for (const body of [
      `${bomb}${cors(`<ID>&d;</ID>${RULE}`)}`,
      cors(`${RULE}<ID>${'<a>'.repeat(100)}${'</a>'.repeat(100)}</ID>`),
      cors(`${RULE}<ID>${'x'.repeat(2 * 1024 * 1024)}</ID>`),
      cors(RULE.repeat(1001)),
      cors(`${RULE}<MaxAgeSeconds>soon</MaxAgeSeconds>`),
      cors(`${RULE}<ExposeHeader>a\r\nset-cookie: b</ExposeHeader>`),
      cors(RULE).slice(0, -5),
      '<Tagging><TagSet/></Tagging>',
      '{}',
      '',
    ]) {
      answer = { body }
      await fails(s3.send(new sdk.GetBucketCorsCommand({ Bucket })), 'ServiceUnavailable', 503)
    }
  })
})

it('what the store says of an argument, or of a grantee, is what clients are told', async () => {
  let code = ''
  const stack = await start(
    {
      intercept: (name, _request, response) => {
        if (name !== 'PutSubresource') return false
        response.writeHead(400).end(`<Error><Code>${code}</Code><Message>who knows</Message></Error>`)
        return true
      },
    },
    { forward: ['acl'] },
  )
  try {
    for (const [said, told] of [
      ['InvalidArgument', 'InvalidArgument'],
      ['UnresolvableGrantByEmailAddress', 'UnresolvableGrantByEmailAddress'],
      ['SomethingElse', 'InvalidRequest'],
    ] as const) {
      code = said
      const put = new sdk.PutBucketAclCommand({ Bucket, GrantRead: 'emailAddress="nobody@example.com"' })
      await fails(stack.s3.send(put), told, 400)
    }
  } finally {
    await stack.close()
  }
})

it('what comes from clients is taken in only whole, well formed and known', async () => {
  const stack = await start()
  const put = async (body: string, headers: Record<string, string> = {}) => {
    const answer = await send(stack.gateway, { method: 'PUT', target: `/${Bucket}?tagging`, body, headers })
    return answer.code ?? answer.status
  }
  const tagging = (set: string) => `<Tagging><TagSet>${set}</TagSet></Tagging>`
  const TAG = '<Tag><Key>a</Key><Value>b</Value></Tag>'
  try {
    assert.equal(await put(tagging(TAG)), 200)
    const md5 = (text: string) => createHash('md5').update(text).digest('base64')
    assert.equal(await put(tagging(TAG), { 'content-md5': md5(tagging(TAG)) }), 200)
    assert.equal(await put(tagging(TAG), { 'content-md5': md5('') }), 'BadDigest')
    assert.equal(await put(tagging(TAG), { 'x-amz-checksum-crc32': 'AAAAAA==' }), 'BadDigest')
    for (const body of [
      '',
      '<Tagging/>',
      tagging(`${TAG}<Other/>`),
      tagging('<Tag><Key>a</Key></Tag>'),
      tagging('<Tag><Key>a</Key><Key>a</Key><Value/></Tag>'),
      tagging('<Tag><Key><b/></Key><Value/></Tag>'),
      `<!DOCTYPE a>${tagging(TAG)}`,
      tagging(TAG).replaceAll('Tagging', 'CORSConfiguration'),
      tagging(TAG).slice(0, -3),
    ])
      assert.equal(await put(body), 'MalformedXML', body)
    assert.equal(await put(tagging('x'.repeat(600_000))), 'MaxMessageLengthExceeded')
    assert.match(
      kept(stack, 'tagging'),
      /<Tagging xmlns="http:[/][/]s3.amazonaws.com[/]doc[/]2006-03-01[/]"><TagSet><Tag>/,
    )
  } finally {
    await stack.close()
  }
})
