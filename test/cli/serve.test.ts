import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { freePort } from '../lib/server.ts'

const MAIN = resolve('src/cli/main.ts')
const children = new Set<ChildProcess>()
let dataDir = ''

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sealgate-serve-'))
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(dataDir, { recursive: true, force: true })
})
after(() => {
  for (const child of children) child.kill('SIGKILL')
})

interface Run {
  child: ChildProcess
  output: () => string
  exit: Promise<number | null>
}

function serve(port: number, more: Record<string, string> = {}): Run {
  const { PATH = '' } = process.env
  const environment = { PATH, SEALGATE_LISTEN: `127.0.0.1:${port}`, SEALGATE_DATA_DIR: dataDir, ...more }
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exit = once(child, 'exit').then(([code]) => {
    children.delete(child)
    return code as number | null
  })
  return { child, output: () => output, exit }
}

async function ready(run: Run): Promise<string> {
  for (let waited = 0; waited < 15_000; waited += 25) {
    if (run.output().includes('Sealgate serves S3')) return run.output()
    if (run.child.exitCode !== null) break
    await sleep(25)
  }
  return assert.fail(`not ready: ${run.output()}`)
}

function clientOf(port: number, banner: string): S3Client {
  const [, accessKeyId = ''] = /Access key id: +(\S+)/.exec(banner) ?? []
  const [, secretAccessKey = ''] = /Secret access key: +(\S+)/.exec(banner) ?? []
  return new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
}

describe('sealgate serve', () => {
  it('makes keyring and credentials on the first start, prints three commands, and uses them again', async () => {
    const port = await freePort()
    const first = serve(port)
    const banner = await ready(first)
    for (const tool of ['aws-cli:', 'rclone:', 'restic:']) assert.ok(banner.includes(tool))
    for (const name of ['keyring.json', 'credentials.json'])
      assert.equal(statSync(join(dataDir, name)).mode & 0o777, 0o600)
    const s3 = clientOf(port, banner)
    await s3.send(new CreateBucketCommand({ Bucket: 'kept' }))
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'k', Body: 'still here' }))
    first.child.kill('SIGTERM')
    assert.equal(await first.exit, 0)
    const keyring = readFileSync(join(dataDir, 'keyring.json'), 'utf8')
    const second = serve(port)
    await ready(second)
    assert.equal(readFileSync(join(dataDir, 'keyring.json'), 'utf8'), keyring)
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'kept', Key: 'k' }))
    assert.equal(await Body?.transformToString(), 'still here')
    s3.destroy()
    second.child.kill('SIGTERM')
    assert.equal(await second.exit, 0)
  })

  it('refuses a taken port, a directory in use, a keyring that others can read or that is missing', async () => {
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
    assert.match(readable.output(), /keyring/)
    rmSync(join(dataDir, 'keyring.json'))
    const missing = serve(port)
    assert.equal(await missing.exit, 2)
    assert.match(missing.output(), /keyring .* is missing, but .* holds data/)
    assert.ok(!existsSync(join(dataDir, 'keyring.json')))
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
