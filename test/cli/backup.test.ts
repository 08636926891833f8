import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { freePort } from '../lib/server.ts'
import { clientOf, killAll, ready, sealgate } from './run.ts'

const home = mkdtempSync(join(tmpdir(), 'sealgate-cli-backup-'))
const [dataDir, copy, keyring] = [join(home, 'data'), join(home, 'copy'), join(home, 'keyring.json')]
after(() => {
  killAll()
  rmSync(home, { recursive: true, force: true })
})

it('backs up beside a running gateway, and the copy serves with the keyring, which is not in it', async () => {
  assert.equal(await sealgate(['keygen', keyring]).exit, 0)
  const port = await freePort()
  const environment = {
    SEALGATE_LISTEN: `127.0.0.1:${port}`,
    SEALGATE_DATA_DIR: dataDir,
    SEALGATE_KEYRING: keyring,
  }
  const nothing = sealgate(['backup', copy], environment)
  assert.equal(await nothing.exit, 2)
  assert.match(nothing.output(), /There is no store in /)
  const served = sealgate(['serve'], environment)
  const s3 = clientOf(port, await ready(served))
  await s3.send(new CreateBucketCommand({ Bucket: 'kept' }))
  for (const [Key, size] of [
    ['small', 10],
    ['large', 300_000],
  ] as const)
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key, Body: 'x'.repeat(size) }))
  const first = sealgate(['backup', copy], environment)
  assert.equal(await first.exit, 0, first.output())
  assert.match(
    first.output(),
    /copy\/store: \d+ objects with Sealgate's own records, 1 files? beside the index\.\nThe keyring is not part of it/,
  )
  const again = sealgate(['backup', copy], environment)
  assert.equal(await again.exit, 2)
  assert.match(again.output(), /exists already; a backup is never overwritten/)
  served.child.kill('SIGTERM')
  assert.equal(await served.exit, 0)
  s3.destroy()
  assert.ok(!existsSync(join(copy, 'credentials.json')))

  const alone = sealgate(['serve'], {
    ...environment,
    SEALGATE_DATA_DIR: copy,
    SEALGATE_KEYRING: join(home, 'no.json'),
  })
  assert.equal(await alone.exit, 2)
  assert.match(alone.output(), /keyring .*no\.json is missing, but .*copy\/store holds data/)
  const restored = sealgate(['serve'], { ...environment, SEALGATE_DATA_DIR: copy })
  const client = clientOf(port, await ready(restored))
  for (const [Key, size] of [
    ['small', 10],
    ['large', 300_000],
  ] as const) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'kept', Key }))
    assert.equal(await Body?.transformToString(), 'x'.repeat(size))
  }
  client.destroy()
  restored.child.kill('SIGTERM')
  assert.equal(await restored.exit, 0)
})
