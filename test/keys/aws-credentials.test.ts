/** Credentials that no configuration names: the chain of AWS's own clients, as far as it needs no cloud. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, it } from 'node:test'
import { AwsKms } from '../../src/keys/kms/aws.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'

const context = { realm: 'r', bucket: 'b', dekId: '00'.repeat(16) }
const home = mkdtempSync(join(tmpdir(), 'sealgate-aws-credentials-'))
const NOWHERE = {
  AWS_CONFIG_FILE: join(home, 'no-config'),
  AWS_SHARED_CREDENTIALS_FILE: join(home, 'no-credentials'),
  AWS_EC2_METADATA_DISABLED: 'true',
}
const usual = { ...process.env }
let emulator: AwsKmsEmulator
let cmk: string
let kms: AwsKms

before(async () => {
  emulator = await AwsKmsEmulator.start()
  cmk = emulator.createKey('orders')
})
after(async () => {
  await emulator.close()
  rmSync(home, { recursive: true })
})
beforeEach(() => environment({}))
afterEach(() => {
  kms.close()
  process.env = { ...usual }
})

/** What the SDK sees, and of AWS nothing else. */
function environment(variables: Readonly<Record<string, string>>): void {
  const clean = Object.entries(usual).filter(([name]) => !name.startsWith('AWS_'))
  process.env = { ...Object.fromEntries(clean), ...NOWHERE, ...variables }
}

async function served(): Promise<void> {
  const { plaintext, wrapped } = await kms.generateDataKey(cmk, context)
  assert.ok((await kms.decrypt(cmk, wrapped, context)).equals(plaintext))
}

async function connect(): Promise<void> {
  const { region, endpoint } = emulator
  kms = await AwsKms.load({ region, endpoint, timeoutMs: 5000 })
}

it('variables are taken, with the token of temporary ones', async () => {
  emulator.setAccount('AKIDVARIABLES', 'of-variables', { token: 'session' })
  environment({
    AWS_ACCESS_KEY_ID: 'AKIDVARIABLES',
    AWS_SECRET_ACCESS_KEY: 'of-variables',
    AWS_SESSION_TOKEN: 'session',
  })
  await connect()
  await served()
})

it('a profile is taken from its file', async () => {
  emulator.setAccount('AKIDPROFILE', 'of-a-profile')
  const file = join(home, 'credentials')
  writeFileSync(file, '[gateway]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = of-a-profile\n')
  environment({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'gateway' })
  await connect()
  await served()
})

it('the role of a container is asked with its token, and again before what it gave ends', async (t) => {
  const asked: (string | undefined)[] = []
  const server = createServer((request: IncomingMessage, response) => {
    asked.push(request.headers.authorization)
    const [AccessKeyId, SecretAccessKey, Token] = [`AKIDROLE${asked.length}`, 'of-a-role', `t${asked.length}`]
    emulator.setAccount(AccessKeyId, SecretAccessKey, { token: Token })
    // The first are about to end, the others live for an hour.
    const Expiration = new Date(Date.now() + (asked.length === 1 ? 60_000 : 3_600_000)).toISOString()
    response.end(JSON.stringify({ AccessKeyId, SecretAccessKey, Token, Expiration }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  environment({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${(server.address() as AddressInfo).port}/role`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'of-the-container',
  })
  await connect()
  for (let n = 0; n < 5; n++) await served()
  assert.ok(asked.length >= 2 && asked.length <= 3, `${asked.length} times`)
  assert.deepEqual(new Set(asked), new Set(['of-the-container']))
})

it('without any the call is refused, and says so', async () => {
  await connect()
  await assert.rejects(kms.generateDataKey(cmk, context), (error) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.deepEqual([error.fault, error.code], ['denied', 'NoCredentials'])
    return true
  })
})
