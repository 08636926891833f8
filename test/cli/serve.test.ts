import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { freePort } from '../lib/server.ts'
import { clientOf, killAll, type Run, ready, sealgate } from './run.ts'

let dataDir = ''

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sealgate-serve-'))
})
afterEach(() => {
  killAll()
  rmSync(dataDir, { recursive: true, force: true })
})

function serve(port: number, more: Record<string, string> = {}): Run {
  return sealgate(['serve'], { SEALGATE_LISTEN: `127.0.0.1:${port}`, SEALGATE_DATA_DIR: dataDir, ...more })
}

describe('sealgate serve', () => {
  it('makes keyring and credentials on the first start, prints three commands, and uses them again', async () => {
    const port = await freePort()
    const first = serve(port)
    const banner = await ready(first)
    assert.match(
      banner,
      /^export AWS_ACCESS_KEY_ID=SG\w+ AWS_SECRET_ACCESS_KEY=\S+ AWS_DEFAULT_REGION=us-east-1$/m,
    )
    for (const tool of ['aws', 'rclone', 'restic'])
      assert.match(banner, new RegExp(`^${tool} .*http://127\\.0\\.0\\.1:${port}`, 'm'))
    for (const name of ['keyring.json', 'credentials.json'])
      assert.match(banner, new RegExp(`${dataDir}/${name} \\(made now\\)`))
    for (const name of ['keyring.json', 'credentials.json'])
      assert.equal(statSync(join(dataDir, name)).mode & 0o777, 0o600)
    const s3 = clientOf(port, banner)
    await s3.send(new CreateBucketCommand({ Bucket: 'kept' }))
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'k', Body: 'still here' }))
    first.child.kill('SIGTERM')
    assert.equal(await first.exit, 0)
    const keyring = readFileSync(join(dataDir, 'keyring.json'), 'utf8')
    const second = serve(port)
    assert.doesNotMatch(await ready(second), /made now/)
    assert.equal(readFileSync(join(dataDir, 'keyring.json'), 'utf8'), keyring)
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'kept', Key: 'k' }))
    assert.equal(await Body?.transformToString(), 'still here')
    s3.destroy()
    second.child.kill('SIGTERM')
    assert.equal(await second.exit, 0)
  })

  it('says where the keyring is, and no secret, when the credentials are configured', async () => {
    const credentials = { SEALGATE_ACCESS_KEY_ID: 'AKID', SEALGATE_SECRET_ACCESS_KEY: 'not-to-be-printed' }
    const run = serve(await freePort(), credentials)
    const banner = await ready(run)
    assert.match(banner, /Access key id: +AKID \(from the configuration\)/)
    assert.match(banner, new RegExp(`Keyring: +${dataDir}/keyring.json \\(made now\\)\n +BACK IT UP`))
    assert.doesNotMatch(banner, /not-to-be-printed|plain HTTP/)
    run.child.kill('SIGTERM')
    assert.equal(await run.exit, 0)
    assert.ok(!existsSync(join(dataDir, 'credentials.json')))
  })

  it('what it prints to paste is three commands that a shell takes as they are', async () => {
    const run = serve(await freePort())
    const banner = await ready(run)
    run.child.kill('SIGTERM')
    assert.equal(await run.exit, 0)
    const lines = banner.split('\n').filter((line) => /^(export|aws|rclone|restic) /.test(line))
    // Stand-ins for the clients, which say what they were called with.
    const script = `for tool in aws rclone restic; do eval "$tool() { echo $tool \\$AWS_ACCESS_KEY_ID \\$#; }"; done\n${lines.join('\n')}`
    const { stdout } = await promisify(execFile)('sh', ['-euc', script])
    const [, accessKeyId = ''] = /Access key id: +(\S+)/.exec(banner) ?? []
    assert.equal(stdout, `aws ${accessKeyId} 5\nrclone ${accessKeyId} 11\nrestic ${accessKeyId} 3\n`)
  })

  it('warns of plain HTTP on every address, and prints one that clients can use', async () => {
    const port = await freePort()
    const run = serve(port, { SEALGATE_LISTEN: `0.0.0.0:${port}` })
    const banner = await ready(run)
    assert.match(banner, new RegExp(`^Sealgate serves S3 on http://127\\.0\\.0\\.1:${port}$`, 'm'))
    assert.match(banner, /listens on 0\.0\.0\.0\) by plain HTTP: put TLS in front/)
    run.child.kill('SIGTERM')
    assert.equal(await run.exit, 0)
  })

  it('refuses a taken port, a directory in use, a keyring that others can read, that is missing, or of another deployment', async () => {
    const port = await freePort()
    const running = serve(port)
    await ready(running)
    const sameDirectory = serve(await freePort())
    assert.equal(await sameDirectory.exit, 2)
    assert.match(sameDirectory.output(), /in use by another running Sealgate/)
    const other = mkdtempSync(join(tmpdir(), 'sealgate-serve-'))
    const samePort = serve(port, { SEALGATE_DATA_DIR: other })
    assert.equal(await samePort.exit, 2)
    assert.match(samePort.output(), /Cannot listen on 127\.0\.0\.1:\d+: another program listens there/)
    rmSync(other, { recursive: true, force: true })
    running.child.kill('SIGTERM')
    await running.exit
    chmodSync(join(dataDir, 'keyring.json'), 0o644)
    const readable = serve(port)
    assert.equal(await readable.exit, 2)
    assert.match(readable.output(), /others can read it; run: chmod 600/)
    rmSync(join(dataDir, 'keyring.json'))
    const missing = serve(port)
    assert.equal(await missing.exit, 2)
    assert.match(missing.output(), /keyring .* is missing, but .* holds data/)
    assert.ok(!existsSync(join(dataDir, 'keyring.json')))
    const made = sealgate(['keygen', join(dataDir, 'keyring.json')])
    assert.equal(await made.exit, 0)
    const foreign = serve(port)
    assert.equal(await foreign.exit, 2)
    assert.match(foreign.output(), /belongs to another deployment/)
  })

  it('serves by several workers behind one port, and brings a killed one back', async () => {
    const port = await freePort()
    const run = serve(port, { SEALGATE_WORKERS: '2' })
    const s3 = clientOf(port, await ready(run))
    await s3.send(new CreateBucketCommand({ Bucket: 'many' }))
    const children = () =>
      readFileSync(`/proc/${run.child.pid}/task/${run.child.pid}/children`, 'utf8')
        .trim()
        .split(' ')
        .filter(Boolean)
    for (let waited = 0; children().length < 2 && waited < 5000; waited += 50) await sleep(50)
    const before = children()
    assert.equal(before.length, 2)
    // What the primary made on the first start: it is in no list that others of the machine's tools show or inherit.
    const { secretAccessKey } = JSON.parse(readFileSync(join(dataDir, 'credentials.json'), 'utf8')) as {
      secretAccessKey: string
    }
    for (const pid of before)
      assert.ok(!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(secretAccessKey))
    process.kill(Number(before[0]), 'SIGKILL')
    for (let index = 0; index < 20; index++) {
      await s3.send(new PutObjectCommand({ Bucket: 'many', Key: `${index}`, Body: `${index}` }))
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'many', Key: `${index}` }))
      assert.equal(await Body?.transformToString(), `${index}`)
    }
    for (
      let waited = 0;
      (children().length < 2 || children().includes(before[0] ?? '')) && waited < 10_000;
      waited += 50
    )
      await sleep(50)
    assert.equal(children().length, 2)
    s3.destroy()
    run.child.kill('SIGTERM')
    assert.equal(await run.exit, 0)
  })
})
