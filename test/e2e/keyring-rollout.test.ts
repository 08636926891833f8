/** A new key of a keyring that several gateways have copies of: docs/operations.md "More keys in it". */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { addKey, createKeyring, loadKeyring, makeCurrent } from '../../src/keys/index.ts'
import { runApp, type TestApp } from '../lib/app.ts'
import { fails, TestBucket } from '../lib/bucket.ts'

const NAMES = ['one', 'two', 'three'] as const
type Name = (typeof NAMES)[number]

let home: string
let master: string
const running = new Map<Name, TestApp>()
let written: string[]

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'sealgate-rollout-'))
  master = join(home, 'master.json')
  createKeyring(master)
  written = []
  for (const name of NAMES) await restart(name)
  await TestBucket.create(bucketOf('one').s3, 'shared')
})
afterEach(async () => {
  for (const name of [...running.keys()]) await stop(name)
  rmSync(home, { recursive: true })
})

/** With the keyring as it is now; the others go on with what they have. */
async function restart(name: Name): Promise<void> {
  await stop(name)
  const keyring = join(home, `${name}.json`)
  copyFileSync(master, keyring)
  running.set(name, await runApp({ SEALGATE_DATA_DIR: home, SEALGATE_KEYRING: keyring }))
}

async function stop(name: Name): Promise<void> {
  const gateway = running.get(name)
  running.delete(name)
  await gateway?.close()
}

function bucketOf(name: Name): TestBucket {
  return TestBucket.of(running.get(name)?.s3 ?? assert.fail(`${name} does not run`), 'shared')
}

/** Every gateway writes, and reads all that any of them has written. Gives the CMKs that it was written under. */
async function exchanged(): Promise<Set<string | undefined>> {
  const cmks = new Set<string | undefined>()
  for (const name of running.keys()) {
    const key = `${name}/${written.length}`
    cmks.add((await bucketOf(name).put(key, key)).SSEKMSKeyId)
    written.push(key)
  }
  for (const name of running.keys())
    for (const key of written) assert.equal((await bucketOf(name).read(key)).toString(), key, `at ${name}`)
  return cmks
}

describe('gateways with copies of one keyring', () => {
  it('take a new key in two rounds of restarts, one by one, and read what each other wrote at every moment', async () => {
    const { current: former } = loadKeyring(master)
    assert.deepEqual(await exchanged(), new Set([former]))
    const added = [...addKey(master, { standby: true }).keys.keys()].at(-1) ?? assert.fail('no key')
    for (const name of NAMES) {
      await restart(name)
      assert.deepEqual(await exchanged(), new Set([former]))
    }
    makeCurrent(master, added)
    for (const [index, name] of NAMES.entries()) {
      await restart(name)
      const last = index === NAMES.length - 1
      assert.deepEqual(await exchanged(), new Set(last ? [added] : [added, former]))
    }
  })

  it('with a key that is current at once cannot read each other until all are restarted', async () => {
    const { current: added } = addKey(master)
    await restart('one')
    assert.equal((await bucketOf('one').put('new', 'x')).SSEKMSKeyId, added)
    await fails(bucketOf('two').read('new'), 'ObjectIntegrityError', 500)
    const head = new HeadObjectCommand({ Bucket: 'shared', Key: 'new' })
    await assert.rejects(bucketOf('three').s3.send(head))
    for (const name of ['two', 'three'] as const) {
      await restart(name)
      assert.equal((await bucketOf(name).read('new')).toString(), 'x')
    }
    assert.deepEqual(await exchanged(), new Set([added]))
  })
})
