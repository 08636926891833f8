import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ownId, parseCmkName, providerOf } from '../../src/keys/kms/cmk-id.ts'
import type { Kms, ReEncryptingKms } from '../../src/keys/kms/kms.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { KmsRouter } from '../../src/keys/kms/kms-router.ts'
import { LocalKms } from '../../src/keys/kms/local.ts'

const UUID = '1234abcd-12ab-34cd-56ef-1234567890ab'
const ARN = `arn:aws:kms:eu-central-1:111122223333:key/${UUID}`
const context = { realm: 'r', bucket: 'b', dekId: 'd' }

describe('the id of a CMK', () => {
  it('names its service, and its own part can be told from it', () => {
    const table = [
      ['local:0123456789abcdef', 'local', '0123456789abcdef'],
      [`tencent:${UUID}`, 'tencent', UUID],
      [ARN, 'aws', UUID],
      [
        'arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab',
        'aws',
        'mrk-1234abcd12ab34cd56ef1234567890ab',
      ],
      ['vault:sealgate-2026', 'vault', 'sealgate-2026'],
    ] as const
    for (const [id, provider, own] of table)
      assert.deepEqual([providerOf(id), ownId(provider, id)], [provider, own], id)
  })

  it('has one form: an alias, a bare id, or another letter case is none', () => {
    const none = [
      '',
      UUID,
      'local:0123456789ABCDEF',
      'local:0123',
      `tencent:${UUID.toUpperCase()}`,
      'tencent:alias/x',
      `aws:${ARN}`,
      'arn:aws:kms:eu-central-1:111122223333:alias/x',
      `arn:aws:s3:eu-central-1:111122223333:key/${UUID}`,
      'vault:',
      'vault:a/b',
      'vault:../sys',
      'vault:a\n',
      `${ARN}\n`,
    ]
    for (const id of none) assert.equal(providerOf(id), null, JSON.stringify(id))
  })

  it('fits the envelope, whatever it is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^vault:[\w.-]{1,200}$/), (id) => {
        if (providerOf(id) !== null) assert.ok(Buffer.byteLength(id) <= 255)
      }),
    )
  })

  it('a name says its service, or is one of the default service', () => {
    assert.deepEqual(parseCmkName('tencent:alias/x', 'local'), { provider: 'tencent', name: 'alias/x' })
    assert.deepEqual(parseCmkName('alias/x', 'aws'), { provider: 'aws', name: 'alias/x' })
    assert.deepEqual(parseCmkName(ARN, 'local'), { provider: 'aws', name: ARN })
    assert.deepEqual(parseCmkName('vault:x', 'vault'), { provider: 'vault', name: 'x' })
  })
})

describe('several key services as one', () => {
  const cmk = 'local:0123456789abcdef'
  const local = new LocalKms({ realm: 'r', current: cmk, keys: new Map([[cmk, randomBytes(32)]]) })
  const asked: string[] = []
  const other: ReEncryptingKms = {
    generateDataKey: async (id) => {
      asked.push(id)
      return { plaintext: randomBytes(32), wrapped: Buffer.from('w') }
    },
    encrypt: async (id) => Buffer.from(`wrapped under ${id}`),
    decrypt: async (id) => Buffer.from(`opened under ${id}`),
    canReEncrypt: (_, to) => to !== 'vault:far',
    reEncrypt: async (_, from, to) => Buffer.from(`${from} ${to}`),
  }
  const router = new KmsRouter(
    new Map<'local' | 'vault', Kms>([
      ['local', local],
      ['vault', other],
    ]),
  )

  it('the id decides who is asked, and goes to it whole', async () => {
    const made = await router.generateDataKey(cmk, context)
    assert.ok((await local.decrypt(cmk, made.wrapped, context)).equals(made.plaintext))
    await router.generateDataKey('vault:one', context)
    assert.deepEqual(asked, ['vault:one'])
    assert.equal(
      (await router.decrypt('vault:two', Buffer.alloc(1), context)).toString(),
      'opened under vault:two',
    )
  })

  it('a service that is not there, and an id that is none, are keys that are not found', async () => {
    for (const id of [`tencent:${randomUUID()}`, ARN, 'one', ''])
      await assert.rejects(
        router.decrypt(id, Buffer.alloc(1), context),
        (error) => error instanceof KmsError && error.fault === 'not-found' && error.code === 'NoSuchService',
      )
  })

  it('re-encrypts only within one service that can', async () => {
    assert.equal(router.reEncrypting('vault:one', 'vault:two'), other)
    assert.equal(router.reEncrypting('vault:one', 'vault:far'), null)
    assert.equal(router.reEncrypting('vault:one', cmk), null)
    assert.equal(router.reEncrypting(cmk, cmk), null)
    assert.equal(router.reEncrypting(ARN, ARN), null)
    assert.equal(router.reEncrypting('one', 'two'), null)
  })
})
