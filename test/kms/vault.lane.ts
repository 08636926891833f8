import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'
import { kmsConformance } from '../conformance/kms.ts'
import { CERTIFICATE } from '../emulators/tls.ts'
import { BINARIES, ROOT, TokenReviews, VaultServer } from './vault-server.ts'

const context = { realm: 'r', bucket: 'b', dekId: 'd' }

const faults = (promise: Promise<unknown>, fault: KmsFault) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.equal(error.fault, fault, error.message)
    return true
  })

for (const [name, binary] of Object.entries(BINARIES)) {
  kmsConformance(`${name} Transit`, async () => {
    const vault = await VaultServer.start(binary)
    const kms = vault.kms(await vault.appRole('1h'))
    const close = async () => {
      kms.close()
      await vault.stop()
    }
    return { kms, cmk: 'vault:one', other: 'vault:two', absent: 'vault:three', close }
  })

  describe(`${name} as it is`, () => {
    let vault: VaultServer
    before(async () => {
      vault = await VaultServer.start(binary)
    })
    after(() => vault.stop())

    it('AppRole: signs in again when its token has ended, and when it was revoked', async () => {
      const kms = vault.kms(await vault.appRole('2s'))
      const { plaintext, wrapped } = await kms.generateDataKey('vault:one', context)
      await sleep(2500)
      assert.ok((await kms.decrypt('vault:one', wrapped, context)).equals(plaintext))
      await vault.setAppRole('1h')
      const other = vault.kms(await vault.appRole('1h'))
      await other.decrypt('vault:one', wrapped, context)
      await vault.root('POST', 'sys/leases/revoke-prefix/auth/approle', {})
      assert.ok((await other.decrypt('vault:one', wrapped, context)).equals(plaintext))
      kms.close()
      other.close()
    })

    it('a renewable token is kept alive while nobody asks, one at its end is not, and one without an end is left alone', async () => {
      const periodic = vault.kms({ method: 'token', token: await vault.token({ period: '3s' }) })
      const limited = await vault.token({ ttl: '3s', explicit_max_ttl: '5s' })
      const ending = vault.kms({ method: 'token', token: limited })
      const root = vault.kms({ method: 'token', token: ROOT })
      for (const kms of [periodic, ending, root]) await kms.generateDataKey('vault:one', context)
      await sleep(8000)
      assert.equal((await periodic.generateDataKey('vault:one', context)).plaintext.length, 32)
      assert.equal((await root.generateDataKey('vault:one', context)).plaintext.length, 32)
      await faults(ending.generateDataKey('vault:one', context), 'denied')
      for (const kms of [periodic, ending, root]) kms.close()
    })

    it('a token that may not look itself up serves all the same', async () => {
      const bare = await vault.token({ no_default_policy: true, ttl: '1h' })
      const kms = vault.kms({ method: 'token', token: bare })
      assert.equal((await kms.generateDataKey('vault:one', context)).plaintext.length, 32)
      kms.close()
    })

    it('Kubernetes: the token of the service account is reviewed, and read again at each sign-in', async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'sealgate-jwt-'))
      const tokenFile = join(directory, 'token')
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const claims = {
        iss: 'kubernetes/serviceaccount',
        'kubernetes.io/serviceaccount/namespace': 'storage',
        'kubernetes.io/serviceaccount/service-account.name': 'sealgate',
        'kubernetes.io/serviceaccount/service-account.uid': 'u',
      }
      const jwt = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${Buffer.alloc(256, 1).toString('base64url')}`
      const reviews = await TokenReviews.start(jwt)
      t.after(() => {
        reviews.stop()
        rmSync(directory, { recursive: true })
      })
      await vault.root('POST', 'sys/auth/cluster', { type: 'kubernetes' })
      await vault.root('POST', 'auth/cluster/config', {
        kubernetes_host: reviews.address,
        disable_iss_validation: true,
        disable_local_ca_jwt: true,
        kubernetes_ca_cert: CERTIFICATE,
        token_reviewer_jwt: jwt,
      })
      await vault.root('POST', 'auth/cluster/role/sealgate', {
        bound_service_account_names: ['sealgate'],
        bound_service_account_namespaces: ['storage'],
        token_policies: ['gateway'],
        token_ttl: '1h',
      })
      const auth = { method: 'kubernetes', mount: 'cluster', role: 'sealgate', tokenFile } as const
      writeFileSync(tokenFile, 'no token')
      const kms = vault.kms(auth)
      await faults(kms.generateDataKey('vault:one', context), 'denied')
      writeFileSync(tokenFile, `${jwt}\n`)
      assert.equal((await kms.generateDataKey('vault:one', context)).plaintext.length, 32)
      assert.ok(reviews.seen.every((call) => call.endsWith('/tokenreviews')))
      kms.close()
    })

    it('opens what was wrapped before a rotation, until the version is disallowed', async () => {
      const kms = vault.kms({ method: 'token', token: ROOT })
      const { plaintext, wrapped } = await kms.generateDataKey('vault:two', context)
      await vault.root('POST', 'transit/keys/two/rotate', {})
      assert.match((await kms.generateDataKey('vault:two', context)).wrapped.toString(), /^vault:v2:/)
      assert.ok((await kms.decrypt('vault:two', wrapped, context)).equals(plaintext))
      await vault.root('POST', 'transit/keys/two/config', { min_decryption_version: 2 })
      await faults(kms.decrypt('vault:two', wrapped, context), 'invalid-state')
      kms.close()
    })

    it('tells what is wrong with a key, a mount and a token', async () => {
      const root = vault.kms({ method: 'token', token: ROOT })
      const denied = vault.kms({ method: 'token', token: 'no-such-token' })
      const nobody = vault.kms({
        method: 'approle',
        mount: 'approle',
        roleId: 'x',
        secretId: { value: 'y' },
      })
      const elsewhere = vault.kms({ method: 'token', token: ROOT }, { mount: 'other' })
      await faults(denied.generateDataKey('vault:one', context), 'denied')
      await faults(nobody.generateDataKey('vault:one', context), 'denied')
      await faults(elsewhere.generateDataKey('vault:one', context), 'not-found')
      const blob = Buffer.from(`vault:v1:${'A'.repeat(80)}`)
      await faults(root.decrypt('vault:absent', blob, context), 'not-found')
      await vault.root('POST', 'transit/keys/rsa', { type: 'rsa-2048' })
      await vault.root('POST', 'transit/keys/derived', { derived: true })
      for (const key of ['vault:rsa', 'vault:derived'])
        await faults(root.generateDataKey(key, context), 'key-usage')
      for (const text of [`vault:v9:${'A'.repeat(80)}`, 'vault:v1:AAAA', `vault:v1:${'A'.repeat(80)}`])
        await assert.rejects(root.decrypt('vault:one', Buffer.from(text), context), WrappedKeyError, text)
      for (const kms of [root, denied, nobody, elsewhere]) kms.close()
    })

    // Vault has namespaces and soft deletion in its Enterprise edition only.
    if (name === 'OpenBao') {
      it('a namespace has keys of its own, and a key that is soft-deleted is disabled', async () => {
        await vault.root('POST', 'sys/namespaces/team', {})
        await vault.root('POST', 'sys/mounts/transit', { type: 'transit' }, 'team')
        await vault.root('POST', 'transit/keys/one', {}, 'team')
        const auth = { method: 'token', token: ROOT } as const
        const [outside, inside] = [vault.kms(auth), vault.kms(auth, { namespace: 'team' })]
        const { plaintext, wrapped } = await inside.generateDataKey('vault:one', context)
        assert.ok((await inside.decrypt('vault:one', wrapped, context)).equals(plaintext))
        await assert.rejects(outside.decrypt('vault:one', wrapped, context), WrappedKeyError)
        await vault.root('DELETE', 'transit/keys/one/soft-delete', undefined, 'team')
        await faults(inside.decrypt('vault:one', wrapped, context), 'disabled')
        const nowhere = vault.kms(auth, { namespace: 'nowhere' })
        await faults(nowhere.generateDataKey('vault:one', context), 'not-found')
        for (const kms of [outside, inside, nowhere]) kms.close()
      })
    }

    it('is unavailable while it is sealed or away', async () => {
      const kms = vault.kms({ method: 'token', token: ROOT })
      await kms.generateDataKey('vault:one', context)
      await vault.root('PUT', 'sys/seal', {})
      await faults(kms.generateDataKey('vault:one', context), 'unavailable')
      const nowhere = vault.kms(
        { method: 'token', token: ROOT },
        { address: 'http://127.0.0.1:1', timeoutMs: 500 },
      )
      await faults(nowhere.generateDataKey('vault:one', context), 'unavailable')
      kms.close()
      nowhere.close()
    })
  })
}
