/** Temporary credentials of Tencent Cloud before COS, which takes them only with their token, and for as long as they last. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type TencentCredentialsOptions, tencentCredentials } from '../../src/base/tencent-credentials.ts'
import { isError } from '../../src/errors.ts'
import { CosAddresses } from '../../src/storage/cos/addresses.ts'
import { CosDialect } from '../../src/storage/cos/cos-dialect.ts'
import { cosCredentials } from '../../src/storage/cos/credentials.ts'
import { StoreClient } from '../../src/storage/wire/client.ts'
import { Connections } from '../../src/storage/wire/connections.ts'
import { type CosServer, startCosServer } from '../emulators/cos-server.ts'
import { TencentRoles } from '../emulators/tencent-roles.ts'
import { COS_DOMAIN } from '../lib/cos-store.ts'

const LIMITS = { maxConnections: 4, connectTimeoutMs: 20_000, idleTimeoutMs: 20_000, tls: {} }

let server: CosServer
let roles: TencentRoles
const connections = new Connections(LIMITS)

before(async () => {
  server = await startCosServer()
  roles = await TencentRoles.start(({ secretId, secretKey, ...temporary }) =>
    server.setAccount(secretId, secretKey, temporary),
  )
})
after(async () => {
  await connections.close()
  await roles.close()
  await server.close()
})

/** A client of COS with credentials from there. */
function clientOf(source: Partial<TencentCredentialsOptions>): StoreClient {
  const { region, address } = server
  const found = tencentCredentials({ fields: 'none', environment: {}, profiles: [], ...source })
  const dialect = new CosDialect({
    addresses: new CosAddresses({ region, regions: new Map(), domain: COS_DOMAIN, connectTo: address }),
    credentials: cosCredentials(found),
    answerTimeoutMs: 20_000,
  })
  return new StoreClient(connections, dialect)
}

const make = (client: StoreClient, name: string) =>
  client.done({ method: 'PUT', bucket: `${name}-${server.appid}`, idempotent: true })
const isThere = (name: string) => server.bucket(`${name}-${server.appid}`) !== undefined

/** COS ends the newest keys before their time. */
function end(): void {
  const { secretId, secretKey, token } = roles.issued.at(-1)!
  server.setAccount(secretId, secretKey, { token, expiresAt: 0 })
}

describe('a gateway before COS with the role of its machine', () => {
  it('signs with the temporary keys, and takes new ones when COS says that they have ended', async () => {
    const client = clientOf({ metadataEndpoint: roles.url })
    await make(client, 'first')
    await make(client, 'second')
    assert.equal(roles.issued.length, 1)
    end()
    await make(client, 'third')
    assert.equal(roles.issued.length, 2)
    assert.ok(['first', 'second', 'third'].every(isThere))
  })

  it('takes new ones also when COS does not know them any more', async () => {
    const client = clientOf({ metadataEndpoint: roles.url })
    await make(client, 'known')
    server.removeAccount(roles.issued.at(-1)?.secretId ?? '')
    await make(client, 'unknown')
    assert.ok(isThere('unknown'))
  })

  it('says so when there are none, and goes on when there are again', async () => {
    const client = clientOf({ metadataEndpoint: roles.url })
    await make(client, 'before')
    end()
    roles.isAway = true
    await assert.rejects(
      make(client, 'without'),
      (error) =>
        isError(error, 'ServiceUnavailable') && /no credentials for the store/.test(error.reason ?? ''),
    )
    roles.isAway = false
    await make(client, 'again')
    assert.deepEqual(['without', 'again'].map(isThere), [false, true])
  })
})

describe('a gateway before COS in a pod of TKE', () => {
  it('has the role of its service account', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sealgate-tke-'))
    const file = join(directory, 'token')
    writeFileSync(file, roles.webIdentity)
    const environment = {
      TKE_REGION: server.region,
      TKE_PROVIDER_ID: 'cls-1',
      TKE_ROLE_ARN: 'qcs::cam::uin/1:roleName/sealgate',
      TKE_WEB_IDENTITY_TOKEN_FILE: file,
    }
    // The machine's role is not the pod's.
    const sources = { metadataEndpoint: 'http://127.0.0.1:1', stsEndpoint: roles.url }
    await make(clientOf({ environment, ...sources }), 'pod')
    assert.ok(isThere('pod'))
    writeFileSync(file, 'of another pod')
    const refused = make(clientOf({ environment, ...sources }), 'other')
    await assert.rejects(refused, (error) => isError(error, 'ServiceUnavailable'))
    assert.ok(!isThere('other'))
    rmSync(directory, { recursive: true })
  })
})
