import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { tencentCredentials } from '../../src/keys/kms/tencent-credentials.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-credentials-'))
after(() => rmSync(directory, { recursive: true }))

/** A metadata service and an STS in one, as a test wants them. */
async function serve(
  answer: (request: IncomingMessage, body: string) => unknown,
): Promise<{ url: string; close(): void }> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const result = answer(request, body)
    response.writeHead(result === null ? 404 : 200)
    response.end(typeof result === 'string' ? result : JSON.stringify(result))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const nothing = { environment: {}, profiles: [], metadataEndpoint: 'http://127.0.0.1:1' }

it('the configuration comes before the environment, and that before a profile', async () => {
  const profile = join(directory, 'credentials')
  writeFileSync(
    profile,
    '[other]\nsecret_id = no\nsecret_key = no\n[default]\nsecret_id = of-file\nsecret_key = k3\ntoken =\n',
  )
  const environment = { TENCENTCLOUD_SECRET_ID: 'of-environment', TENCENTCLOUD_SECRET_KEY: 'k2' }
  const configured = { secretId: 'of-config', secretKey: 'k1' }
  const all = { ...nothing, configured, environment, profiles: [profile] }
  const idOf = async (options: Parameters<typeof tencentCredentials>[0]) =>
    (await tencentCredentials(options)(false)).secretId
  assert.equal(await idOf(all), 'of-config')
  assert.equal(await idOf({ ...all, configured: undefined }), 'of-environment')
  assert.deepEqual(await tencentCredentials({ ...all, configured: undefined, environment: {} })(false), {
    secretId: 'of-file',
    secretKey: 'k3',
    token: undefined,
  })
})

it('without any the error says where they are looked for', async () => {
  await assert.rejects(tencentCredentials(nothing)(false), (error) => {
    assert.ok(error instanceof KmsError)
    assert.equal(error.fault, 'denied')
    assert.match(error.message, /kms\.tencent\.secretId.*TENCENTCLOUD_SECRET_ID.*role/)
    return true
  })
})

it('the role of the machine is asked once for all, renewed before it ends, and outlives a short absence of its source', async () => {
  let asked = 0
  let now = 1_000_000
  const metadata = await serve(({ url }) => {
    if (url?.endsWith('/security-credentials/')) return 'my role\n'
    assert.ok(url?.endsWith('/my%20role'), url)
    asked += 1
    const ExpiredTime = now / 1000 + 3600
    return { Code: 'Success', TmpSecretId: `id-${asked}`, TmpSecretKey: 'k', Token: 't', ExpiredTime }
  })
  const credentials = tencentCredentials({ ...nothing, metadataEndpoint: metadata.url, now: () => now })
  const many = await Promise.all(Array.from({ length: 20 }, () => credentials(false)))
  assert.deepEqual(new Set(many.map(({ secretId }) => secretId)), new Set(['id-1']))
  now += 50 * 60_000
  assert.equal((await credentials(false)).secretId, 'id-1')
  now += 6 * 60_000
  assert.equal((await credentials(false)).secretId, 'id-2')
  assert.equal((await credentials(true)).secretId, 'id-3')
  metadata.close()
  now += 56 * 60_000
  assert.equal((await credentials(false)).secretId, 'id-3')
  now += 5 * 60_000
  await assert.rejects(
    credentials(false),
    (error) => error instanceof KmsError && error.fault === 'unavailable',
  )
})

it('a pod’s service account takes its own role, and a refusal is said', async () => {
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, 'jwt\n')
  let refuse = false
  const sts = await serve(({ headers }, body) => {
    assert.equal(headers['x-tc-action'], 'AssumeRoleWithWebIdentity')
    assert.deepEqual(JSON.parse(body), {
      ProviderId: 'p',
      WebIdentityToken: 'jwt',
      RoleArn: 'arn',
      RoleSessionName: 'sealgate',
    })
    if (refuse) return { Response: { Error: { Code: 'AuthFailure', Message: 'no' } } }
    return {
      Response: {
        Credentials: { TmpSecretId: 'pod', TmpSecretKey: 'k', Token: 't' },
        ExpiredTime: Date.now() / 1000 + 3600,
      },
    }
  })
  const environment = {
    TKE_REGION: 'r',
    TKE_PROVIDER_ID: 'p',
    TKE_ROLE_ARN: 'arn',
    TKE_WEB_IDENTITY_TOKEN_FILE: tokenFile,
  }
  const options = { ...nothing, environment, stsEndpoint: sts.url }
  const found = await tencentCredentials(options)(false)
  assert.deepEqual([found.secretId, found.token], ['pod', 't'])
  refuse = true
  await assert.rejects(
    tencentCredentials(options)(false),
    (error) => error instanceof KmsError && error.code === 'AuthFailure',
  )
  rmSync(tokenFile)
  await assert.rejects(
    tencentCredentials(options)(false),
    (error) => error instanceof KmsError && /TKE_WEB_IDENTITY_TOKEN_FILE.*ENOENT/.test(error.message),
  )
})

it('a source of credentials that does not end its answer is read for 64 KiB and no more', async () => {
  let sent = 0
  const server = createServer((_, response) => {
    const chunk = Buffer.alloc(64 * 1024, 'A')
    const go = () => {
      while (!response.destroyed) {
        sent += chunk.length
        if (!response.write(chunk)) return response.once('drain', go)
      }
      return response
    }
    go()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const metadataEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    await assert.rejects(
      tencentCredentials({ environment: {}, profiles: [], metadataEndpoint })(false),
      (error) => error instanceof KmsError && error.code === 'NoCredentials',
    )
    // What buffers on the way hold, and not what a fast server sends in three seconds.
    assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
