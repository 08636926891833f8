import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KeySetupError } from '../../src/keys/index.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { openVault, type VaultSection } from '../../src/keys/kms/vault-service.ts'
import { CERTIFICATE, PRIVATE_KEY } from '../emulators/tls.ts'
import { VaultEmulator } from '../emulators/vault.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-vault-tls-'))
const caFile = join(directory, 'ca.pem')
const context = { realm: 'r', bucket: 'b', dekId: 'd' }
let emulator: VaultEmulator

before(async () => {
  writeFileSync(caFile, CERTIFICATE)
  emulator = await VaultEmulator.start({ tls: true })
  emulator.createKey('one')
})
after(async () => {
  await emulator.close()
  rmSync(directory, { recursive: true })
})

function section(more: Partial<VaultSection> = {}): VaultSection {
  const auth = { method: 'token', token: emulator.createToken() } as const
  return { address: emulator.endpoint, mount: 'transit', namespace: null, key: 'one', caFile, auth, ...more }
}

describe('Vault by configuration', () => {
  it('trusts the authority that is named, and no other', async () => {
    const named = openVault(section(), 2000)
    assert.equal((await named.kms.generateDataKey('vault:one', context)).plaintext.length, 32)
    named.close()
    const system = openVault(section({ caFile: null }), 2000)
    emulator.calls.length = 0
    await assert.rejects(system.kms.generateDataKey('vault:one', context), (error) => {
      assert.ok(error instanceof KmsError)
      assert.equal(error.fault, 'unavailable')
      assert.match(error.message, /did not answer \(DEPTH_ZERO_SELF_SIGNED_CERT\)/)
      return true
    })
    assert.deepEqual(emulator.calls, [])
    system.close()
  })

  it('says what is wrong with the file of the authority, and with the name of a key', async () => {
    assert.throws(() => openVault(section({ caFile: join(directory, 'no.pem') }), 2000), { code: 'ENOENT' })
    const other = join(directory, 'key.pem')
    writeFileSync(other, PRIVATE_KEY)
    assert.throws(() => openVault(section({ caFile: other }), 2000), KeySetupError)
    const vault = openVault(section(), 2000)
    assert.equal(await vault.resolve('one'), 'vault:one')
    for (const name of ['', 'a/b', '../sys', 'a b'])
      await assert.rejects(vault.resolve(name), KeySetupError, name)
    vault.close()
  })

  it('is refused when the file that proves the gateway is not there', () => {
    const file = join(directory, 'nowhere')
    for (const [auth, field] of [
      [{ method: 'token-file', file }, 'tokenFile'],
      [{ method: 'approle', mount: 'approle', roleId: 'r', secretId: { file } }, 'secretIdFile'],
      [{ method: 'kubernetes', mount: 'kubernetes', role: 'r', tokenFile: file }, 'jwtFile'],
    ] as const)
      assert.throws(
        () => openVault(section({ auth }), 2000),
        (error) =>
          error instanceof KeySetupError &&
          error.message.startsWith(`kms.vault.${field}: ${file}, `) &&
          error.message.includes('ENOENT'),
      )
  })
})
