import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it, mock } from 'node:test'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'
import { VaultKms, type VaultKmsOptions } from '../../src/keys/kms/vault.ts'
import type { Fault } from '../emulators/emulator.ts'
import { VaultEmulator } from '../emulators/vault.ts'

const context = { realm: 'r', bucket: 'b', dekId: '00'.repeat(16) }
const directory = mkdtempSync(join(tmpdir(), 'sealgate-vault-'))
let emulator: VaultEmulator
const opened: VaultKms[] = []

before(async () => {
  emulator = await VaultEmulator.start()
  emulator.createKey('one')
})
after(async () => {
  await emulator.close()
  rmSync(directory, { recursive: true })
})
beforeEach(() => {
  emulator.calls.length = 0
})
afterEach(() => {
  for (const kms of opened.splice(0)) kms.close()
})

function connect(auth: VaultKmsOptions['auth'], more: Partial<VaultKmsOptions> = {}): VaultKms {
  const now = () => emulator.time
  const common = { address: emulator.endpoint, mount: 'transit', namespace: null, timeoutMs: 1000, now }
  const kms = new VaultKms({ ...common, auth, ...more })
  opened.push(kms)
  return kms
}

const withToken = (options = {}) => connect({ method: 'token', token: emulator.createToken(options) })
const approle = (secretId: string) =>
  ({ method: 'approle', mount: 'approle', roleId: 'role', secretId: { value: secretId } }) as const

async function faults(promise: Promise<unknown>, fault: KmsFault): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.equal(error.fault, fault, error.message)
    return true
  })
}

const actions = () => emulator.calls.map(({ action }) => action)

describe('Transit', () => {
  it('says what is wrong with the key', async () => {
    const kms = withToken()
    emulator.createKey('two')
    const { wrapped } = await kms.generateDataKey('vault:two', context)
    emulator.changeKey('two', (key) => {
      key.isSoftDeleted = true
    })
    await faults(kms.decrypt('vault:two', wrapped, context), 'disabled')
    emulator.changeKey('two', (key) => {
      key.isSoftDeleted = false
      key.versions.push(Buffer.alloc(32, 7))
      key.minDecryptionVersion = 2
    })
    await faults(kms.decrypt('vault:two', wrapped, context), 'invalid-state')
    await faults(kms.generateDataKey('vault:three', context), 'not-found')
    await faults(kms.generateDataKey('two', context), 'not-found')
    emulator.createKey('rsa', 'rsa-2048')
    await faults(kms.generateDataKey('vault:rsa', context), 'key-usage')
    const limited = withToken({ only: ['two'] })
    await faults(limited.generateDataKey('vault:one', context), 'denied')
    const elsewhere = connect({ method: 'token', token: emulator.createToken() }, { mount: 'other' })
    await faults(elsewhere.generateDataKey('vault:one', context), 'not-found')
  })

  it('is asked in its namespace', async () => {
    emulator.namespace = 'team/a'
    const auth = { method: 'token', token: emulator.createToken() } as const
    const kms = connect(auth, { namespace: 'team/a' })
    assert.equal((await kms.generateDataKey('vault:one', context)).plaintext.length, 32)
    await faults(connect(auth).generateDataKey('vault:one', context), 'not-found')
    emulator.namespace = ''
  })

  const table: [string, Fault, KmsFault][] = [
    ['throttling', { kind: 'error', code: '429 request path rate limit quota exceeded' }, 'throttled'],
    ['an internal error', { kind: 'error', code: '500 internal error' }, 'unavailable'],
    ['a sealed Vault', { kind: 'error', code: '503 Vault is sealed' }, 'unavailable'],
    ['a standby', { kind: 'error', code: '473 standby' }, 'unavailable'],
    ['a replica that lags', { kind: 'error', code: '412 required index state not present' }, 'unavailable'],
    ['an error that is not known', { kind: 'error', code: '400 something new' }, 'protocol'],
    ['a 502 of a proxy', { kind: 'status', status: 502 }, 'unavailable'],
    ['a page where an answer should be', { kind: 'status', status: 200 }, 'protocol'],
    ['a redirect', { kind: 'status', status: 307 }, 'protocol'],
    ['a cut connection', { kind: 'cut' }, 'unavailable'],
    ['half an answer', { kind: 'half' }, 'unavailable'],
    ['half an answer that is complete to HTTP', { kind: 'truncated' }, 'protocol'],
    ['silence', { kind: 'silence' }, 'unavailable'],
    ['silence after half an answer', { kind: 'stall' }, 'unavailable'],
    [
      'an answer without a key',
      { kind: 'change', change: (answer) => (answer['data'] = { plaintext: '' }) },
      'protocol',
    ],
    [
      'a short key',
      { kind: 'change', change: (answer) => (answer['data'] = { plaintext: 'AAAA' }) },
      'protocol',
    ],
    [
      'an answer without an end',
      { kind: 'change', change: (a) => (a['x'] = 'x'.repeat(100_000)) },
      'protocol',
    ],
  ]
  for (const [name, fault, expected] of table) {
    it(`${name} is ${expected}, is told without the key, and the next call is served`, async () => {
      const kms = withToken()
      const { plaintext, wrapped } = await kms.generateDataKey('vault:one', context)
      emulator.fail(fault)
      const error = await kms.decrypt('vault:one', wrapped, context).catch((error: unknown) => error)
      assert.ok(error instanceof KmsError, String(error))
      assert.equal(error.fault, expected, error.message)
      const told = `${error.stack} ${JSON.stringify(error)} ${error.cause instanceof Error ? error.cause.stack : ''}`
      assert.ok(!told.includes(plaintext.toString('base64')) && !told.includes('hvs.'))
      assert.ok((await kms.decrypt('vault:one', wrapped, context)).equals(plaintext))
    })
  }

  it('a blob of another shape, version or length is no fault but a forgery', async () => {
    const kms = withToken()
    for (const text of ['', 'vault:v1:', 'vault:v1:AAAA', `vault:v99:${'A'.repeat(80)}`, 'vault:v1:$$$'])
      await assert.rejects(kms.decrypt('vault:one', Buffer.from(text), context), WrappedKeyError, text)
  })
})

describe('the token for Vault', () => {
  it('that was configured is looked at once, and serves', async () => {
    const kms = withToken()
    for (let n = 0; n < 3; n++) await kms.generateDataKey('vault:one', context)
    assert.deepEqual(actions(), ['auth/token/lookup-self', ...Array(3).fill('transit/encrypt/one')])
  })

  it('is renewed in time, also while nobody asks, up to the end that it may not pass', async () => {
    const clock = new Clock()
    clock.install()
    try {
      const kms = withToken({ ttlS: 300, maxTtlS: 1000 })
      await kms.generateDataKey('vault:one', context)
      for (let n = 0; n < 4; n++) await clock.pass(200)
      await kms.generateDataKey('vault:one', context)
      assert.equal(emulator.count('auth/token/renew-self'), 4)
      await clock.pass(199, { last: true })
      await kms.generateDataKey('vault:one', context)
      await clock.pass(2)
      await faults(kms.generateDataKey('vault:one', context), 'denied')
    } finally {
      mock.restoreAll()
    }
  })

  it('survives a Vault that is away when it is to be renewed', async () => {
    const clock = new Clock()
    clock.install()
    try {
      const kms = withToken({ ttlS: 300 })
      await kms.generateDataKey('vault:one', context)
      emulator.fail({ kind: 'cut' })
      await clock.pass(200)
      await clock.pass(67)
      await clock.pass(200)
      assert.equal((await kms.generateDataKey('vault:one', context)).plaintext.length, 32)
      assert.equal(emulator.count('auth/token/renew-self'), 2)
    } finally {
      mock.restoreAll()
    }
  })

  it('of a sign-in is replaced by another one when it ends, and when it was revoked, once for all who wait', async () => {
    emulator.allow('secret', { ttlS: 100, renewable: false })
    const kms = connect(approle('secret'))
    const many = () =>
      Promise.all(Array.from({ length: 20 }, () => kms.generateDataKey('vault:one', context)))
    await many()
    assert.equal(emulator.count('auth/approle/login'), 1)
    emulator.time += 101_000
    await many()
    assert.equal(emulator.count('auth/approle/login'), 2)
    emulator.revokeAll()
    await many()
    assert.equal(emulator.count('auth/approle/login'), 3)
  })

  it('is not asked for anew when a policy forbids the call', async () => {
    emulator.allow('limited', { ttlS: 100, only: ['two'] })
    const kms = connect(approle('limited'))
    for (let n = 0; n < 3; n++) await faults(kms.generateDataKey('vault:one', context), 'denied')
    assert.equal(emulator.count('auth/approle/login'), 1)
  })

  it('comes from a file that somebody else renews', async () => {
    const file = join(directory, 'token')
    writeFileSync(file, `${emulator.createToken({ ttlS: 100, renewable: false })}\n`)
    const kms = connect({ method: 'token-file', file })
    await kms.generateDataKey('vault:one', context)
    const next = emulator.createToken()
    writeFileSync(file, next)
    emulator.time += 101_000
    await kms.generateDataKey('vault:one', context)
    emulator.revoke(next)
    await faults(kms.generateDataKey('vault:one', context), 'denied')
    writeFileSync(file, emulator.createToken())
    await kms.generateDataKey('vault:one', context)
    rmSync(file)
    await faults(connect({ method: 'token-file', file }).generateDataKey('vault:one', context), 'denied')
  })

  it('is given for a secret id in a file, and for the token of a service account', async () => {
    const file = join(directory, 'proof')
    writeFileSync(file, 'a-proof\n')
    emulator.allow('a-proof')
    const byFile = connect({ method: 'approle', mount: 'approle', roleId: 'role', secretId: { file } })
    assert.equal((await byFile.generateDataKey('vault:one', context)).plaintext.length, 32)
    const pod = connect({ method: 'kubernetes', mount: 'kubernetes', role: 'sealgate', tokenFile: file })
    assert.equal((await pod.generateDataKey('vault:one', context)).plaintext.length, 32)
    assert.deepEqual(emulator.calls.find(({ action }) => action === 'auth/kubernetes/login')?.body, {
      role: 'sealgate',
      jwt: 'a-proof',
    })
  })

  it('is not asked for by a proof that was just refused, as each time may count towards a lockout', async () => {
    const file = join(directory, 'secret-id')
    writeFileSync(file, 'wrong-secret')
    const kms = connect({ method: 'approle', mount: 'approle', roleId: 'role', secretId: { file } })
    const make = () => kms.generateDataKey('vault:one', context)
    const signIns = () => actions().filter((action) => action === 'auth/approle/login').length
    for (let n = 0; n < 5; n++)
      await assert.rejects(make(), (error) => {
        assert.ok(error instanceof KmsError)
        assert.equal(error.fault, 'denied')
        assert.match(
          error.message,
          /refuses the sign-in at auth\/approle with HTTP 400 \(invalid role or secret ID\)/,
        )
        assert.match(error.message, /kms\.vault\.secretId or secretIdFile/)
        assert.doesNotMatch(error.message, /wrong-secret/)
        return true
      })
    assert.equal(signIns(), 1)
    for (const [afterMs, expected] of [
      [29_000, 1],
      [1_000, 2],
      [59_000, 2],
      [1_000, 3],
    ] as const) {
      emulator.time += afterMs
      await faults(make(), 'denied')
      assert.equal(signIns(), expected)
    }
    emulator.allow('right-secret')
    writeFileSync(file, 'right-secret')
    assert.equal((await make()).plaintext.length, 32)
  })

  it('names address, key and field when a call is forbidden, and tells a policy from a token that has ended', async () => {
    const why = (kms: VaultKms, expected: RegExp) =>
      assert.rejects(kms.generateDataKey('vault:one', context), (error) => {
        assert.ok(error instanceof KmsError)
        assert.equal(error.fault, 'denied')
        assert.ok(error.message.includes(emulator.endpoint) && error.message.includes('transit/encrypt/one'))
        assert.match(error.message, expected)
        return true
      })
    await why(withToken({ only: ['two'] }), /the policies of the token \(kms\.vault\.token\) do not allow it/)
    const ending = withToken({ ttlS: 10, renewable: false })
    emulator.time += 11_000
    await why(ending, /does not know the token \(kms\.vault\.token\): it has ended or was revoked/)
    const away = connect({ method: 'token', token: 'x' }, { address: 'http://127.0.0.1:1' })
    await assert.rejects(
      away.generateDataKey('vault:one', context),
      /kms\.vault\.address http:\/\/127\.0\.0\.1:1\) did not answer/,
    )
  })

  it('that is refused is denied, and a Vault that is away at sign-in is unavailable', async () => {
    await faults(connect(approle('unknown')).generateDataKey('vault:one', context), 'denied')
    await faults(
      connect({ method: 'token', token: 'hvs.nobody' }).generateDataKey('vault:one', context),
      'denied',
    )
    emulator.allow('secret')
    const kms = connect(approle('secret'))
    emulator.fail({ kind: 'error', code: '503 Vault is sealed' })
    await faults(kms.generateDataKey('vault:one', context), 'unavailable')
    assert.equal((await kms.generateDataKey('vault:one', context)).plaintext.length, 32)
  })
})

/** The clock of the emulator, and the timers that are set by it: they run when their time has come, and not before. */
class Clock {
  #timers: { readonly at: number; readonly run: () => void }[] = []

  install(): void {
    const real = globalThis.setTimeout
    mock.method(globalThis, 'setTimeout', (run: () => void, ms: number) => {
      if (ms < 1000) return real(run, ms)
      this.#timers.push({ at: emulator.time + ms, run })
      return {
        unref(): unknown {
          return this
        },
      }
    })
  }

  /** What a timer begins here sets the next one when it is done, unless it is the last. */
  async pass(seconds: number, { last = false } = {}): Promise<void> {
    emulator.time += seconds * 1000
    const due = this.#timers.filter(({ at }) => at <= emulator.time)
    this.#timers = this.#timers.filter(({ at }) => at > emulator.time)
    for (const { run } of due) run()
    const deadline = performance.now() + 10_000
    while (due.length > 0 && !last && this.#timers.length === 0 && performance.now() < deadline)
      await new Promise((resolve) => setImmediate(resolve))
  }
}
