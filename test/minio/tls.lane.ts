/**
 * A MinIO of its own, by TLS: an authority in a file, a certificate of the gateway where something asks for one, and buckets in the name of
 * the host. Part of `npm run test:minio`, which has built the server.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import dns from 'node:dns'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { S3Client } from '@aws-sdk/client-s3'
import { isError } from '../../src/errors.ts'
import { openS3Storage, type S3StorageOptions } from '../../src/storage/s3.ts'
import { storageConformance } from '../conformance/storage.ts'
import { TestBucket } from '../lib/bucket.ts'
import { realStore } from '../lib/real-store.ts'
import { freePort, startServer } from '../lib/server.ts'

const BINARY = join(import.meta.dirname, '../../.lanes/minio/minio')
const [accessKeyId, secretAccessKey] = ['sealgate-tls', 'sealgate-tls-secret']
const directory = mkdtempSync(join(tmpdir(), 'sealgate-minio-tls-'))
const file = (name: string) => join(directory, name)
let port: number
let minio: ChildProcess

before(async () => {
  makeCertificates()
  mkdirSync(file('certs/CAs'), { recursive: true })
  for (const [from, to] of [
    ['server.crt', 'certs/public.crt'],
    ['server.key', 'certs/private.key'],
    ['ca.crt', 'certs/CAs/ca.crt'],
  ] as const)
    writeFileSync(file(to), readFileSync(file(from)))
  port = await freePort()
  const address = ['--address', `127.0.0.1:${port}`, '--console-address', '127.0.0.1:0']
  minio = spawn(BINARY, ['server', '--quiet', '--certs-dir', file('certs'), ...address, file('data')], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      MINIO_ROOT_USER: accessKeyId,
      MINIO_ROOT_PASSWORD: secretAccessKey,
      MINIO_DOMAIN: 's3.localhost',
      // It asks every client for a certificate then, and goes on without.
      MINIO_IDENTITY_TLS_ENABLE: 'on',
    },
  })
  await untilItServes()
})
after(async () => {
  mock.restoreAll()
  const gone = once(minio, 'exit')
  minio.kill()
  await gone
  rmSync(directory, { recursive: true, force: true })
})

/** An authority, a server that it vouches for, a gateway that it vouches for, and a stranger. */
function makeCertificates(): void {
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650']
  const authority = [
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign',
  ]
  for (const name of ['ca', 'other-ca'])
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
      '-subj',
      `/CN=${name}`,
      ...authority,
    )
  const names = 'subjectAltName=IP:127.0.0.1,DNS:s3.localhost,DNS:*.s3.localhost'
  for (const [name, by, extension] of [
    ['server', 'ca', `extendedKeyUsage=serverAuth\n${names}`],
    ['gateway', 'ca', 'extendedKeyUsage=clientAuth'],
    ['stranger', 'other-ca', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    writeFileSync(file(`${name}.ext`), extension)
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const signed = ['-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial', '-extfile', `${name}.ext`]
    openssl('x509', '-req', '-days', '3650', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signed)
  }
}

async function untilItServes(): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 100) {
    const storage = await open().catch(() => null)
    if (storage !== null) return storage.close()
    await sleep(100)
  }
  assert.fail('MinIO does not serve')
}

const pem = (name: string) => readFileSync(file(name), 'utf8')

function open(more: Partial<S3StorageOptions> = {}) {
  return openS3Storage({
    endpoint: `https://127.0.0.1:${port}`,
    region: null,
    addressing: 'path',
    credentials: { accessKeyId, secretAccessKey },
    systemBucket: `records-${randomBytes(4).toString('hex')}`,
    tls: { ca: pem('ca.crt') },
    ...more,
  })
}

/** In front of MinIO, and lets nobody through who has no certificate of the authority. */
async function startGuard() {
  const server = createTlsServer(
    { cert: pem('server.crt'), key: pem('server.key'), ca: pem('ca.crt'), requestCert: true },
    (socket) => {
      const onward = tlsConnect({ host: '127.0.0.1', port, ca: pem('ca.crt') })
      socket.pipe(onward).pipe(socket)
      for (const end of [socket, onward])
        end.on('error', () => [socket, onward].map((other) => other.destroy()))
    },
  )
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

const refused = (error: unknown) => isError(error, 'ServiceUnavailable')

describe('MinIO by TLS', () => {
  it('is trusted by the authority in the file, and by no other', async () => {
    for (const tls of [{}, { ca: pem('other-ca.crt') }]) await assert.rejects(open({ tls }), refused)
    const storage = await open()
    const made = await storage.listBuckets()
    assert.ok(made.length > 0)
    await storage.close()
  })

  it('is shown the certificate of the gateway, and what asks for one lets no other through', async () => {
    const guard = await startGuard()
    const { endpoint } = guard
    const ca = pem('ca.crt')
    const withCertificate = (name: string) => ({ ca, cert: pem(`${name}.crt`), key: pem(`${name}.key`) })
    for (const tls of [{ ca }, withCertificate('stranger')])
      await assert.rejects(open({ endpoint, tls }), refused)
    for (const to of [endpoint, `https://127.0.0.1:${port}`])
      await (await open({ endpoint: to, tls: withCertificate('gateway') })).close()
    await guard.close()
  })

  it('is behind a whole gateway, whose configuration names the files', async () => {
    const guard = await startGuard()
    const server = await startServer({
      env: {
        SEALGATE_STORE: 's3',
        SEALGATE_S3_ENDPOINT: guard.endpoint,
        SEALGATE_S3_ACCESS_KEY_ID: accessKeyId,
        SEALGATE_S3_SECRET_ACCESS_KEY: secretAccessKey,
        SEALGATE_S3_CA_FILE: file('ca.crt'),
        SEALGATE_S3_CLIENT_CERT_FILE: file('gateway.crt'),
        SEALGATE_S3_CLIENT_KEY_FILE: file('gateway.key'),
        SEALGATE_S3_BUCKET_PREFIX: 'tls-',
        SEALGATE_SYSTEM_BUCKET: 'tls-of-the-gateway',
      },
    })
    const { endpoint } = server
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: server })
    const bucket = await TestBucket.create(client, 'bucket')
    const bodies = [randomBytes(5 * 1024 * 1024), randomBytes(100_000)]
    await bucket.put('k', bodies[1] ?? '')
    await bucket.putParts('parts', bodies)
    assert.ok((await bucket.read('k')).equals(bodies[1] ?? Buffer.alloc(0)))
    assert.ok((await bucket.read('parts')).equals(Buffer.concat(bodies)))
    bucket.s3.destroy()
    await server.stop()
    await guard.close()
  })
})

/** Names below localhost are this machine's (RFC 6761 section 6.3), though not every resolver knows them. */
const hosts = new Set<string>()
const lookup = dns.lookup as (...args: unknown[]) => void
const loopback = (name: string, options: object, done: (...answer: unknown[]) => void) => {
  hosts.add(name)
  const isAll = 'all' in options && options.all === true
  if (!name.endsWith('.localhost')) return lookup(name, options, done)
  return isAll ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
}

storageConformance(
  's3, before MinIO by TLS and virtual-host style,',
  async () => {
    mock.method(dns, 'lookup', loopback as typeof dns.lookup)
    const storage = await open({ endpoint: `https://s3.localhost:${port}`, addressing: 'virtual' })
    return {
      storage,
      async close() {
        await storage.close()
        assert.ok(
          [...hosts].some((host) => host.startsWith('conformance-')),
          'buckets were in the host',
        )
      },
    }
  },
  realStore()?.differences,
)
