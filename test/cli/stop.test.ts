import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { freePort } from '../lib/server.ts'
import { clientOf, killAll, ROOT, type Run, ready, run, sealgate, signalGroup } from './run.ts'

let dataDir = ''
let port = 0
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'sealgate-stop-'))
  port = await freePort()
})
afterEach(() => {
  killAll()
  rmSync(dataDir, { recursive: true, force: true })
})

const environment = (more: Record<string, string> = {}) => ({
  SEALGATE_LISTEN: `127.0.0.1:${port}`,
  SEALGATE_DATA_DIR: dataDir,
  ...more,
})

/** An upload of two chunks that stands still between them until `finish` is called. */
async function uploadUnderWay(banner: string) {
  const s3 = clientOf(port, banner)
  await s3.send(new CreateBucketCommand({ Bucket: 'slow' }))
  const { promise, resolve: finish } = Promise.withResolvers<void>()
  const chunk = Buffer.alloc(200_000, 'x')
  const body = Readable.from(
    (async function* () {
      yield chunk
      await promise
      yield chunk
    })(),
  )
  const put = s3.send(
    new PutObjectCommand({ Bucket: 'slow', Key: 'k', Body: body, ContentLength: 2 * chunk.length }),
  )
  put.catch(() => undefined)
  await sleep(500)
  return { put, finish, close: () => s3.destroy() }
}

describe('stopping', () => {
  for (const workers of [1, 2]) {
    it(`Ctrl-C, which comes twice, lets an upload of ${workers === 1 ? 'one process' : 'two workers'} end`, async () => {
      const started = sealgate(['serve'], environment({ SEALGATE_WORKERS: String(workers) }))
      const upload = await uploadUnderWay(await ready(started))
      signalGroup(started.child, 'SIGINT')
      await sleep(50)
      signalGroup(started.child, 'SIGINT')
      await sleep(1500)
      assert.match(started.output(), /waiting for requests under way to end; a second signal ends at once/)
      upload.finish()
      assert.equal((await upload.put).$metadata.httpStatusCode, 200)
      upload.close()
      assert.equal(await started.exit, 0)
    })
  }

  it('is told in the log at info, as the start is', async () => {
    const started = sealgate(['serve'], environment({ SEALGATE_LOG_LEVEL: 'info' }))
    await ready(started)
    started.child.kill('SIGTERM')
    assert.equal(await started.exit, 0)
    const lines = started
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
    assert.deepEqual(messages, ['serving', 'stopping', 'stopped'])
    assert.match(lines[0] ?? '', new RegExp(`"host":"127.0.0.1","port":${port},"workers":1`))
  })

  it('a second signal, later, ends at once', async () => {
    const started = sealgate(['serve'], environment())
    const upload = await uploadUnderWay(await ready(started))
    started.child.kill('SIGTERM')
    await sleep(700)
    assert.equal(started.child.exitCode, null)
    started.child.kill('SIGTERM')
    assert.equal(await started.exit, 1)
    upload.finish()
    await assert.rejects(upload.put)
    upload.close()
  })

  it('the shell of the npm script becomes Sealgate, so that a signal to it leaves no orphan', async () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
    const started: Run = run('sh', ['-c', scripts['start'] ?? ''], environment({ PATH }))
    await ready(started)
    started.child.kill('SIGTERM')
    assert.equal(await started.exit, 0)
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`))
  })
})
