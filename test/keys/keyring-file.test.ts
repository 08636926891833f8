import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  addKey,
  createKeyring,
  KeyringError,
  LocalKms,
  loadKeyring,
  makeCurrent,
  type Passphrase,
  protectKeyring,
} from '../../src/keys/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-keyring-'))
after(() => rmSync(directory, { recursive: true }))
const path = join(directory, 'keyring.json')
const context = { realm: 'r', bucket: 'b', dekId: 'd' }
const strong: Passphrase = { value: 'correct horse battery staple' }

beforeEach(() => {
  for (const name of readdirSync(directory)) rmSync(join(directory, name))
})

function refuses(work: () => unknown, pattern: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof KeyringError, String(error))
    assert.match(error.message, pattern)
    assert.doesNotMatch(error.message, /horse|battery/)
    return true
  })
}

describe('a keyring of several keys', () => {
  it('wraps under the newest, and opens what the older ones have wrapped', async () => {
    const first = createKeyring(path)
    const { plaintext, wrapped } = await new LocalKms(first).generateDataKey(first.current, context)
    const second = addKey(path)
    assert.notEqual(second.current, first.current)
    assert.deepEqual([...second.keys.keys()], [first.current, second.current])
    assert.equal(second.realm, first.realm)
    const kms = new LocalKms(loadKeyring(path))
    assert.ok((await kms.decrypt(first.current, wrapped, context)).equals(plaintext))
    await assert.rejects(kms.decrypt(second.current, wrapped, context))
  })

  it('takes a key on standby, which wraps nothing and opens what it wrapped elsewhere, until it is made current', async () => {
    const first = createKeyring(path)
    const standby = addKey(path, { standby: true })
    const [, added = ''] = standby.keys.keys()
    assert.deepEqual([standby.current, standby.keys.size], [first.current, 2])
    assert.deepEqual(loadKeyring(path), standby)
    const elsewhere = makeCurrent(path, added)
    assert.deepEqual([elsewhere.current, elsewhere.keys], [added, standby.keys])
    const { plaintext, wrapped } = await new LocalKms(elsewhere).generateDataKey(added, context)
    assert.ok((await new LocalKms(standby).decrypt(added, wrapped, context)).equals(plaintext))
    assert.deepEqual(makeCurrent(path, added), elsewhere)
    assert.equal(makeCurrent(path, first.current).current, first.current)
  })

  it('a key that it does not have is not made current, and nothing is changed', () => {
    const { current } = createKeyring(path)
    const before = readFileSync(path)
    for (const id of ['local:0123456789abcdef', 'local:', 'constructor', ''])
      refuses(() => makeCurrent(path, id), new RegExp(`it has no key ${id}; it has ${current}`))
    assert.ok(readFileSync(path).equals(before) && !existsSync(`${path}.new`))
  })

  it('stays private, stays where a link leads, and keeps what people have written into it', () => {
    createKeyring(path)
    const document = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    writeFileSync(path, JSON.stringify({ ...document, note: 'of the vault in Bern' }))
    const link = join(directory, 'link.json')
    symlinkSync(path, link)
    addKey(link)
    assert.ok(lstatSync(link).isSymbolicLink() && loadKeyring(path).keys.size === 2)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.match(readFileSync(path, 'utf8'), /of the vault in Bern/)
    assert.deepEqual(readdirSync(directory).sort(), ['keyring.json', 'link.json'])
  })

  it('is changed by one at a time, and left as it is when that fails', () => {
    createKeyring(path)
    const before = readFileSync(path)
    writeFileSync(`${path}.new`, '')
    refuses(() => addKey(path), /being changed by somebody else.*remove .*keyring\.json\.new/)
    rmSync(`${path}.new`)
    refuses(() => protectKeyring(path, { value: 'short' }), /too weak/)
    assert.ok(readFileSync(path).equals(before) && !existsSync(`${path}.new`))
    writeFileSync(path, '{}')
    chmodSync(path, 0o600)
    refuses(() => addKey(path), /unknown version/)
    assert.equal(readFileSync(path, 'utf8'), '{}')
  })
})

describe('a keyring under a passphrase', () => {
  it('opens with it, shows nothing without it, and takes another key', () => {
    const made = createKeyring(path, { passphrase: strong, realm: 'the-realm' })
    assert.deepEqual(loadKeyring(path, strong), made)
    const text = readFileSync(path, 'utf8')
    assert.doesNotMatch(text, /the-realm|local:/)
    const { scrypt } = JSON.parse(text) as { scrypt: { N: number } }
    assert.ok(scrypt.N >= 2 ** 17)
    refuses(
      () => loadKeyring(path, { value: 'correct horse battery stapler' }),
      /passphrase does not open it/,
    )
    refuses(() => loadKeyring(path), /protected by a passphrase; name that by kms\.passphraseFile/)
    const grown = addKey(path, { passphrase: strong })
    assert.deepEqual([grown.realm, grown.keys.size], ['the-realm', 2])
    assert.notEqual(readFileSync(path, 'utf8').split('"salt"')[1], text.split('"salt"')[1])
    const back = makeCurrent(path, made.current, strong)
    assert.deepEqual([back.current, back.keys], [made.current, grown.keys])
    refuses(() => makeCurrent(path, made.current), /protected by a passphrase/)
    refuses(() => addKey(path, { standby: true }), /protected by a passphrase/)
  })

  it('is made from a clear one, and put under another one', () => {
    const clear = createKeyring(path)
    refuses(() => loadKeyring(path, strong), /not protected by one; run: sealgate keygen .* --protect/)
    assert.deepEqual(protectKeyring(path, strong), clear)
    const next: Passphrase = { value: 'another five words of mine' }
    refuses(() => protectKeyring(path, next, next), /passphrase does not open it/)
    assert.deepEqual(protectKeyring(path, next, strong), clear)
    assert.deepEqual(loadKeyring(path, next), clear)
    refuses(() => loadKeyring(path, strong), /passphrase does not open it/)
  })

  it('refuses passphrases that can be guessed', () => {
    for (const value of ['', 'password', 'fourteen chars', 'aaaaaaaaaaaaaaaaaaaaaaaa', 'abcabcabcabcabcabc'])
      refuses(
        () => createKeyring(path, { passphrase: { value } }),
        /the passphrase is too weak: .*five random words/,
      )
    assert.ok(!existsSync(path))
  })

  it('takes the passphrase from a private file of one line', () => {
    const file = join(directory, 'passphrase')
    writeFileSync(file, 'correct horse battery staple\n', { mode: 0o600 })
    assert.deepEqual(createKeyring(path, { passphrase: { file } }), loadKeyring(path, strong))
    chmodSync(file, 0o644)
    refuses(() => loadKeyring(path, { file }), /passphrase file .*others can read it/)
    chmodSync(file, 0o600)
    for (const text of ['', '\n', 'correct horse battery staple\nmore\n']) {
      writeFileSync(file, text)
      refuses(() => loadKeyring(path, { file }), /must hold one line/)
    }
    assert.throws(() => loadKeyring(path, { file: join(directory, 'none') }), { code: 'ENOENT' })
  })

  it('is refused when it was altered anywhere, or asks for too little or too much work', () => {
    createKeyring(path, { passphrase: strong })
    const document = JSON.parse(readFileSync(path, 'utf8')) as {
      scrypt: Record<string, unknown>
      sealed: string
    }
    const write = (change: object) => writeFileSync(path, JSON.stringify({ ...document, ...change }))
    const sealed = Buffer.from(document.sealed, 'base64')
    sealed[sealed.length >> 1] = (sealed[sealed.length >> 1] ?? 0) ^ 1
    write({ sealed: sealed.toString('base64') })
    refuses(() => loadKeyring(path, strong), /passphrase does not open it/)
    const scrypt = (change: object) => write({ scrypt: { ...document.scrypt, ...change } })
    scrypt({ salt: randomBytes(32).toString('base64') })
    refuses(() => loadKeyring(path, strong), /passphrase does not open it/)
    for (const N of [2, 2 ** 16, 2 ** 17 + 1, 2 ** 19, 2 ** 20, '131072', 2 ** 60]) {
      scrypt({ N })
      refuses(() => loadKeyring(path, strong), /scrypt\.N must be a power of two from 131072 to 262144/)
    }
    scrypt({ p: 1000 })
    refuses(() => loadKeyring(path, strong), /scrypt\.r must be 8, and scrypt\.p 1/)
    scrypt({ salt: 'AAAA' })
    refuses(() => loadKeyring(path, strong), /wrong length/)
    write({ sealed: 7 })
    refuses(() => loadKeyring(path, strong), /scrypt or sealed is missing/)
  })
})

describe('the file of a keyring', () => {
  it('is made whole or not at all, and never in the place of another', async () => {
    const script = `
      const { createKeyring } = await import(${JSON.stringify(new URL('../../src/keys/index.ts', import.meta.url).href)})
      for (let n = 0; ; n++) {
        createKeyring(${JSON.stringify(directory)} + '/killed-' + n + '.json')
        if (n === 0) process.send('made')
      }`
    for (let times = 0; times < 3; times += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
      await once(child, 'message')
      await sleep(20 + 17 * times)
      child.kill('SIGKILL')
      await once(child, 'close')
      const made = readdirSync(directory).filter((name) => name.endsWith('.json'))
      assert.ok(made.length > 0)
      for (const name of made) assert.equal(loadKeyring(join(directory, name)).keys.size, 1, name)
      for (const name of readdirSync(directory)) rmSync(join(directory, name))
    }
    const { current } = createKeyring(path)
    assert.throws(() => createKeyring(path), { code: 'EEXIST', path })
    assert.equal(loadKeyring(path).current, current)
    assert.deepEqual(readdirSync(directory), ['keyring.json'])
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(statSync(path).nlink, 1)
    const nowhere = join(directory, 'none', 'keyring.json')
    assert.throws(() => createKeyring(nowhere), { code: 'ENOENT', path: nowhere })
  })

  it('is one: a pipe is refused, and not waited for', { skip: process.platform === 'win32' }, () => {
    execFileSync('mkfifo', ['-m', '600', path])
    refuses(() => loadKeyring(path), /it is no regular file/)
    refuses(() => addKey(path), /it is no regular file/)
  })

  it('is no directory, whoever can read that: then the file in it is to be named', () => {
    for (const mode of [0o755, 0o700]) {
      chmodSync(directory, mode)
      refuses(() => loadKeyring(directory), /keyring .*: it is a directory; name the file in it$/)
      refuses(() => addKey(directory), /it is a directory; name the file in it$/)
      const passphrase = { file: directory }
      refuses(() => createKeyring(path, { passphrase }), /passphrase file .*: it is a directory; name/)
    }
  })
})
