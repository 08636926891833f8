import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { S3Client } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startServer } from '../lib/server.ts'
import { sealgate } from './run.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-rewrap-words-'))
const keyring = join(dataDir, 'keyring.json')
const environment: Record<string, string> = { SEALGATE_DATA_DIR: dataDir }

const currentKey = () => (JSON.parse(readFileSync(keyring, 'utf8')) as { current: string }).current

before(async () => {
  const { endpoint, accessKeyId, secretAccessKey, stop } = await startServer({ dataDir, env: environment })
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  for (const name of ['photos', 'films']) await (await TestBucket.create(s3, name)).put('one', 'value')
  await TestBucket.create(s3, 'empty')
  s3.destroy()
  await stop()
  const former = currentKey()
  assert.equal(await sealgate(['keygen', keyring, '--add']).exit, 0)
  environment['SEALGATE_BUCKETS'] = JSON.stringify([{ match: '*', cmk: currentKey(), retired: [former] }])
})
after(() => rmSync(dataDir, { recursive: true }))

async function command(...args: string[]) {
  const run = sealgate(args, environment)
  return { status: await run.exit, output: run.output() }
}

/** What somebody deletes a CMK by. */
const FREE = /retired CMKs are no longer needed/

describe('what sealgate rewrap says of retired CMKs', () => {
  it('is nothing where no bucket has the name', async () => {
    for (const verb of ['rewrap', 'rotate'])
      for (const name of ['nosuch', 'nosuch-*']) {
        const { status, output } = await command(verb, '--bucket', name)
        assert.equal(status, 2, output)
        assert.match(
          output,
          /^sealgate: --bucket nosuch\S*: the store has no such bucket, so nothing was done/,
        )
      }
  })

  it('is nothing where there was nothing to move', async () => {
    const { status, output } = await command('rewrap', '--bucket', 'empty')
    assert.equal(status, 0, output)
    assert.match(output, /^0 data keys of bucket empty in the key ring: /)
    assert.match(output, /this shows nothing of the retired CMKs: keep them/)
  })

  it('is to keep them after a look at some buckets, however often', async () => {
    for (const figures of [
      /^1 data key of buckets ph\* in the key ring: 0 .* 1 moved/,
      /^1 .* 1 under .* 0 moved/,
    ]) {
      const { status, output } = await command('rewrap', '--bucket', 'ph*')
      assert.equal(status, 0, output)
      assert.match(output, figures)
      assert.match(
        output,
        /No other bucket was looked at: keep the retired CMKs until sealgate rewrap without/,
      )
      assert.doesNotMatch(output, FREE)
    }
  })

  it('is that they are free when a run over all has found nothing left, not before', async () => {
    const { output: first } = await command('rewrap')
    assert.match(first, /^2 data keys in the key ring: 1 under .* 1 moved/)
    assert.match(first, /run it once more/)
    assert.doesNotMatch(first, FREE)
    const { output: second } = await command('rewrap')
    assert.match(second, FREE)
    assert.doesNotMatch(second, /once more/)
  })
})
