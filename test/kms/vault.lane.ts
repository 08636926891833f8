import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'
import { type VaultAuth, VaultKms } from '../../src/keys/kms/vault.ts'
import { kmsConformance } from '../conformance/kms.ts'
import { freePort } from '../lib/server.ts'

const ROOT = 'root-of-the-lane'
const POLICY =
  'path "transit/encrypt/*" { capabilities = ["update"] }\npath "transit/decrypt/*" { capabilities = ["update"] }'
const context = { realm: 'r', bucket: 'b', dekId: 'd' }

/** A real Vault in memory, with a Transit engine, two keys, and an AppRole that may use them and nothing else. */
class Vault {
  readonly address: string
  readonly auth: VaultAuth
  readonly #child: ChildProcess

  private constructor(address: string, auth: VaultAuth, child: ChildProcess) {
    this.address = address
    this.auth = auth
    this.#child = child
  }

  static async start(): Promise<Vault> {
    const listen = `127.0.0.1:${await freePort()}`
    const binary = join(import.meta.dirname, '../../.lanes/vault/vault')
    const flags = [
      'server',
      '-dev',
      `-dev-root-token-id=${ROOT}`,
      `-dev-listen-address=${listen}`,
      '-dev-no-store-token',
    ]
    const child = spawn(binary, flags, { stdio: 'ignore' })
    const address = `http://${listen}`
    for (let n = 0; n < 100; n++) {
      if ((await fetch(`${address}/v1/sys/health`).catch(() => null))?.status === 200) break
      await sleep(100)
    }
    const root = (method: string, path: string, body?: object) => call(address, method, path, body)
    await root('POST', 'sys/mounts/transit', { type: 'transit' })
    for (const name of ['one', 'two']) await root('POST', `transit/keys/${name}`, {})
    await root('PUT', 'sys/policies/acl/gateway', { policy: POLICY })
    await root('POST', 'sys/auth/approle', { type: 'approle' })
    await root('POST', 'auth/approle/role/gateway', {
      token_policies: 'gateway',
      token_ttl: '2s',
      token_max_ttl: '2s',
    })
    const role = (await root('GET', 'auth/approle/role/gateway/role-id')) as { data: { role_id: string } }
    const secret = (await root('POST', 'auth/approle/role/gateway/secret-id', {})) as {
      data: { secret_id: string }
    }
    const auth = {
      method: 'approle',
      mount: 'approle',
      roleId: role.data.role_id,
      secretId: secret.data.secret_id,
    } as const
    return new Vault(address, auth, child)
  }

  root(method: string, path: string, body?: object): Promise<unknown> {
    return call(this.address, method, path, body)
  }

  kms(auth: VaultAuth = this.auth): VaultKms {
    return new VaultKms({ address: this.address, mount: 'transit', namespace: null, auth, timeoutMs: 3000 })
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

async function call(address: string, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`${address}/v1/${path}`, {
    method,
    headers: { 'x-vault-token': ROOT },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text === '' ? {} : JSON.parse(text)
}

kmsConformance('Vault Transit', async () => {
  const vault = await Vault.start()
  return {
    kms: vault.kms(),
    cmk: 'vault:one',
    other: 'vault:two',
    absent: 'vault:three',
    close: () => vault.stop(),
  }
})

describe('Vault Transit', () => {
  let vault: Vault
  before(async () => {
    vault = await Vault.start()
  })
  after(() => vault.stop())

  const faults = (promise: Promise<unknown>, fault: KmsFault) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof KmsError, String(error))
      assert.equal(error.fault, fault, error.message)
      return true
    })

  it('signs in again when its token has ended, and when it was revoked', async () => {
    const kms = vault.kms()
    const { plaintext, wrapped } = await kms.generateDataKey('vault:one', context)
    await sleep(2500)
    assert.ok((await kms.decrypt('vault:one', wrapped, context)).equals(plaintext))
    await vault.root('PUT', 'auth/approle/role/gateway', {
      token_policies: 'gateway',
      token_ttl: '1h',
      token_max_ttl: '1h',
    })
    const other = vault.kms()
    await other.decrypt('vault:one', wrapped, context)
    await vault.root('POST', 'sys/leases/revoke-prefix/auth/approle', {})
    assert.ok((await other.decrypt('vault:one', wrapped, context)).equals(plaintext))
  })

  it('opens what was wrapped before a rotation, until the version is disallowed', async () => {
    const kms = vault.kms()
    const { plaintext, wrapped } = await kms.generateDataKey('vault:two', context)
    await vault.root('POST', 'transit/keys/two/rotate', {})
    assert.match((await kms.generateDataKey('vault:two', context)).wrapped.toString(), /^vault:v2:/)
    assert.ok((await kms.decrypt('vault:two', wrapped, context)).equals(plaintext))
    await vault.root('POST', 'transit/keys/two/config', { min_decryption_version: 2 })
    await faults(kms.decrypt('vault:two', wrapped, context), 'invalid-state')
  })

  it('tells a refusal from an absence', async () => {
    await faults(
      vault.kms({ method: 'token', token: 'no-such-token' }).generateDataKey('vault:one', context),
      'denied',
    )
    await faults(
      vault
        .kms({ method: 'approle', mount: 'approle', roleId: 'x', secretId: 'y' })
        .generateDataKey('vault:one', context),
      'denied',
    )
    const root = vault.kms({ method: 'token', token: ROOT })
    await assert.rejects(
      root.decrypt('vault:absent', Buffer.from('vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'), context),
      (error) => (error instanceof KmsError ? error.fault === 'not-found' : error instanceof WrappedKeyError),
    )
  })

  it('is unavailable while it is sealed or away', async () => {
    const kms = vault.kms()
    await kms.generateDataKey('vault:one', context)
    await vault.root('PUT', 'sys/seal', {})
    await faults(kms.generateDataKey('vault:one', context), 'unavailable')
    const nowhere = new VaultKms({
      address: 'http://127.0.0.1:1',
      mount: 'transit',
      namespace: null,
      auth: vault.auth,
      timeoutMs: 500,
    })
    await faults(nowhere.generateDataKey('vault:one', context), 'unavailable')
  })
})
