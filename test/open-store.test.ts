import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { afterEach, describe, it } from 'node:test'
import type { Logger } from 'pino'
import { loadConfig } from '../src/config/config.ts'
import { openStore, StartupError } from '../src/open-store.ts'
import { type S3Server, startS3Server } from './emulators/s3-server.ts'

let server: S3Server | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

interface Line {
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** What the log got, while the store was opened. */
async function opening(more: Record<string, string> = {}, waitMs = 1500) {
  const environment = {
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: server?.endpoint,
    SEALGATE_S3_ACCESS_KEY_ID: server?.accessKeyId,
    SEALGATE_S3_SECRET_ACCESS_KEY: server?.secretAccessKey,
    SEALGATE_SYSTEM_BUCKET: 'records',
    ...more,
  }
  const lines: Line[] = []
  const log = { warn: (fields: Line['fields'], message: string) => void lines.push({ fields, message }) }
  const opened = openStore(loadConfig(undefined, environment), log as unknown as Logger, { waitMs })
  return { opened, lines }
}

describe('a store that does not answer as it should', () => {
  it('is not waited for when it refuses the credentials', async () => {
    // To a HEAD, as MinIO does: without a document.
    const intercept = (_name: string, _request: unknown, response: ServerResponse) => {
      response.writeHead(403, { 'x-minio-error-code': 'InvalidAccessKeyId' }).end()
      return true
    }
    server = await startS3Server({ intercept })
    const { opened, lines } = await opening()
    await assert.rejects(opened, (error) => {
      assert.ok(error instanceof StartupError)
      assert.match(error.message, /the store answered 403 InvalidAccessKeyId\. Check .*s3\.accessKeyId/)
      return true
    })
    assert.deepEqual(lines, [])
  })

  it('is not waited for when its answers make no sense, and no scratch key stays', async () => {
    const intercept = (name: string, _: unknown, response: ServerResponse) => {
      if (name !== 'ListMultipartUploads') return false
      response.end('<Nonsense/>')
      return true
    }
    server = await startS3Server({ intercept })
    const { opened, lines } = await opening()
    await assert.rejects(opened, /answer makes no sense: a document Nonsense/)
    assert.deepEqual(lines, [])
    const request = { bucket: 'records', prefix: '', delimiter: '', startAfter: '', maxKeys: 1000 }
    assert.deepEqual((await server.storage.listObjects(request)).objects, [])
  })

  it('is waited for while it cannot be reached: a line with address and field, without a stack', async () => {
    const endpoint = 'http://127.0.0.1:1'
    const { opened, lines } = await opening({
      SEALGATE_S3_ENDPOINT: endpoint,
      SEALGATE_S3_ACCESS_KEY_ID: 'AKID',
      SEALGATE_S3_SECRET_ACCESS_KEY: 'a-secret-of-the-store',
    })
    await assert.rejects(
      opened,
      /The store http:\/\/127\.0\.0\.1:1 cannot be used: the store cannot be reached/,
    )
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} lines`)
    for (const { fields, message } of lines) {
      assert.match(message, /s3\.endpoint/)
      assert.equal(fields['store'], endpoint)
      assert.match(String(fields['reason']), /cannot be reached/)
      assert.equal(fields['err'], undefined)
    }
  })
})
