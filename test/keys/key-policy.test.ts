import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import {
  createKeyring,
  type KeyRule,
  type Keyring,
  KeySetupError,
  type KmsOptions,
  keyPolicy,
  openKms,
} from '../../src/keys/index.ts'
import { meansCmk } from '../../src/keys/key-policy.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-policy-'))
const path = join(directory, 'keyring.json')
let keyring: Keyring
let emulator: TencentKmsEmulator
let orders: string

before(async () => {
  keyring = createKeyring(path)
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount('id', 'key')
  orders = emulator.createKey('orders')
})
after(async () => {
  await emulator.close()
  rmSync(directory, { recursive: true })
})

function options(more: Partial<KmsOptions> = {}): KmsOptions {
  const { region, endpoint } = emulator
  const credentials = { secretId: 'id', secretKey: 'key' }
  return {
    provider: 'local',
    timeoutMs: 1000,
    realm: null,
    local: { keyring: path, passphrase: null },
    tencent: { region, endpoint, keyId: 'alias/orders', credentials },
    aws: null,
    vault: null,
    ...more,
  }
}

async function policyOf(rules: readonly KeyRule[], more: Partial<KmsOptions> = {}) {
  return keyPolicy(rules, await openKms(options(more), {}))
}

it('a rule names CMKs of any service, and the first that fits counts', async () => {
  const policy = await policyOf([
    { match: 'ord*', cmk: 'tencent:alias/orders', retired: [keyring.current] },
    { match: 'orders', cmk: keyring.current, retired: [] },
  ])
  assert.deepEqual(
    [policy('orders').cmk, policy('orders').retired, policy('photos').cmk],
    [`tencent:${orders}`, [keyring.current], keyring.current],
  )
})

it('names without a service are those of the default one', async () => {
  const policy = await policyOf([{ match: 'a', cmk: orders, retired: [`tencent:${orders}`] }], {
    provider: 'tencent',
  })
  assert.deepEqual([policy('a').cmk, policy('a').retired], [`tencent:${orders}`, [`tencent:${orders}`]])
  assert.deepEqual([policy('b').cmk, policy('b').retired], [`tencent:${orders}`, []])
})

it('a retired CMK by its id needs neither its service nor its key; everything else does', async () => {
  const gone = [
    `tencent:${randomUUID()}`,
    'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
    'vault:gone',
    'local:ffffffffffffffff',
  ]
  const policy = await policyOf([{ match: '*', cmk: keyring.current, retired: gone }], { tencent: null })
  assert.deepEqual(policy('b').retired, gone)
  const refused = async (cmk: string, retired: string[], pattern: RegExp) =>
    assert.rejects(
      policyOf([{ match: 'logs-*', cmk, retired }], { tencent: null }),
      (error) => error instanceof KeySetupError && pattern.test(error.message),
    )
  await refused(keyring.current, ['tencent:alias/x'], /the rule for logs-\*: .*kms\.tencent\.region/)
  await refused(`tencent:${randomUUID()}`, [], /key service tencent is not configured/)
  await refused('aws:alias/x', [], /kms\.aws\.region/)
  await refused('local:ffffffffffffffff', [], new RegExp(`no key local:f+; it has ${keyring.current}`))
  await refused('nothing', [], /no key local:nothing/)
})

it('an alias is asked for once, however many rules name it', async () => {
  emulator.calls.length = 0
  const rules = ['a', 'b', 'c'].map((match) => ({ match, cmk: 'tencent:alias/orders', retired: [] }))
  await policyOf(rules)
  assert.equal(emulator.count('ListKeyDetail'), 1)
})

it('clients may call the CMK by its id, its own part of it, or its configured name, and nothing else', async () => {
  const policy = await policyOf([
    { match: 'orders', cmk: 'tencent:alias/orders', retired: [keyring.current] },
  ])
  const named = policy('orders')
  for (const name of [`tencent:${orders}`, orders, 'alias/orders', 'tencent:alias/orders'])
    assert.ok(meansCmk(named, name), name)
  for (const name of ['', 'orders', 'alias/order', keyring.current, randomUUID()])
    assert.ok(!meansCmk(named, name), name)
  const fallback = policy('photos')
  assert.ok(meansCmk(fallback, keyring.current) && meansCmk(fallback, keyring.current.slice(6)))
  assert.ok(!meansCmk(fallback, orders))
})
