import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { killAll, sealgate } from './run.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sealgate-refusals-'))
})
afterEach(() => {
  killAll()
  rmSync(home, { recursive: true, force: true })
})

/** Starts it as it must not start: exit status 2 and a sentence without a stack. */
async function refused(environment: Record<string, string>, args: readonly string[] = ['serve']) {
  const run = sealgate(args, {
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_DATA_DIR: join(home, 'data'),
    ...environment,
  })
  const code = await run.exit
  assert.equal(code, 2, run.output())
  assert.match(run.output(), /^sealgate: /)
  assert.doesNotMatch(run.output(), /\n {4}at /)
  return run.output()
}

describe('a refused start is a sentence that says what is wrong', () => {
  it('a keyring in a directory that is not there', async () => {
    const output = await refused({ SEALGATE_KEYRING: join(home, 'nowhere/keyring.json') })
    assert.match(output, /nowhere\/keyring\.json: there is no such file or directory/)
  })

  it('a data directory that is a file', async () => {
    writeFileSync(join(home, 'data'), '')
    assert.match(await refused({}), /data cannot be written: a file is where a directory should be/)
  })

  it('a store directory that is a file is not a store in use', async () => {
    mkdirSync(join(home, 'data'))
    writeFileSync(join(home, 'data/store'), '')
    const output = await refused({})
    assert.match(output, /data\/store cannot be opened: a file is where a directory should be/)
    assert.doesNotMatch(output, /in use/)
  })

  it('a lock or an index that SQLite cannot open', async () => {
    mkdirSync(join(home, 'data/store/server.lock'), { recursive: true })
    assert.match(await refused({}), /data\/store cannot be opened: unable to open database file/)
    rmSync(join(home, 'data'), { recursive: true })
    assert.equal(await sealgate(['keygen', join(home, 'keyring.json')]).exit, 0)
    mkdirSync(join(home, 'data/store'), { recursive: true })
    writeFileSync(join(home, 'data/store/index.sqlite'), 'not a database, by far'.repeat(100))
    const output = await refused({ SEALGATE_KEYRING: join(home, 'keyring.json') })
    assert.match(output, /index of the store cannot be opened: file is not a database/)
  })

  it('credentials that others can read, or that are none', async () => {
    mkdirSync(join(home, 'data'))
    const path = join(home, 'data/credentials.json')
    writeFileSync(path, '{}', { mode: 0o644 })
    assert.match(await refused({}), /credentials\.json can be read by others\. Run: chmod 600 /)
    rmSync(path)
    writeFileSync(path, '{"secretAccessKey": "sec', { mode: 0o600 })
    const output = await refused({})
    assert.match(output, /not a credentials file\. Remove it to have new credentials made/)
    assert.doesNotMatch(output, /"sec/)
    rmSync(path)
    symlinkSync(path, path)
    assert.match(await refused({}), /credentials\.json: /)
  })

  it('a port that cannot be, and a host that is not known', async () => {
    assert.match(await refused({ SEALGATE_LISTEN: '127.0.0.1:99999' }), /must be host:port/)
    assert.match(
      await refused({ SEALGATE_LISTEN: 'nowhere.invalid:9000' }),
      /Cannot listen on nowhere\.invalid/,
    )
  })

  it('a configuration file that is not there', async () => {
    assert.match(
      await refused({}, ['serve', '-c', join(home, 'no.yaml')]),
      /no\.yaml: cannot be read: there is no such file/,
    )
    assert.match(await refused({ SEALGATE_CONFIG: join(home, 'no.yaml') }), /no\.yaml: cannot be read/)
    assert.match(
      await refused({ SEALGATE_CONFIG: home }),
      /cannot be read: it is a directory; name the file by/,
    )
  })

  it('a passphrase that is missing, wrong, weak, or for a keyring that has none', async () => {
    const keyring = join(home, 'keyring.json')
    const one = { SEALGATE_KEYRING: keyring, SEALGATE_KEYRING_PASSPHRASE: 'correct horse battery staple' }
    const weak = await refused({ ...one, SEALGATE_KEYRING_PASSPHRASE: 'password' })
    assert.match(weak, /passphrase is too weak: it has 8 characters, and at least 15 are needed/)
    assert.equal(await sealgate(['keygen', keyring], one).exit, 0)
    assert.match(await refused({ SEALGATE_KEYRING: keyring }), /protected by a passphrase; name that by/)
    const other = { ...one, SEALGATE_KEYRING_PASSPHRASE: 'correct horse battery stable' }
    assert.match(await refused(other), /the passphrase does not open it/)
    const clear = join(home, 'clear.json')
    assert.equal(await sealgate(['keygen', clear]).exit, 0)
    assert.match(
      await refused({ ...one, SEALGATE_KEYRING: clear }),
      /not protected by one; run: sealgate keygen/,
    )
    assert.match(await refused({}, ['keygen', clear, '--protect']), /There is no passphrase\. Name it by/)
    assert.match(
      await refused({}, ['keygen', join(home, 'no.json'), '--add']),
      /no\.json: there is no such file/,
    )
  })

  it('a keygen over a file, or where no directory is', async () => {
    writeFileSync(join(home, 'taken'), '')
    assert.match(await refused({}, ['keygen', join(home, 'taken')]), /exists already/)
    assert.match(
      await refused({}, ['keygen', home]),
      /is a directory: name the file to make, such as .*keyring\.json/,
    )
    assert.match(await refused({}, ['keygen', join(home, 'a/b')]), /a\/b: there is no such file or directory/)
  })

  it('a command or an option that does not exist, or no command', async () => {
    assert.match(await refused({}, ['serv']), /unknown command 'serv'\n\(Did you mean serve\?\)/)
    assert.match(await refused({}, ['serve', '--port', '9000']), /unknown option '--port'/)
    assert.match(await refused({}, ['keygen']), /missing required argument 'file'/)
    const none = sealgate([], {})
    assert.equal(await none.exit, 2)
    assert.match(none.output(), /^Usage: sealgate/)
  })
})
