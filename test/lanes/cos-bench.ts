/**
 * `node test/lanes/cos-bench.ts`: what a request to Tencent COS costs a process in CPU: by the cos store, by the official SDK, and by the s3
 * store at the same server's face for S3's clients; and what loading the SDK costs. The emulator is another process, spoken to over TLS.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import '../lib/cos-at-loopback.ts'
import { signCall, validAround } from '../../src/storage/cos/signature.ts'
import { openCosStorage } from '../../src/storage/cos.ts'
import { openS3Storage } from '../../src/storage/s3.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startCosServer } from '../emulators/cos-server.ts'
import { CERTIFICATE, PRIVATE_KEY } from '../emulators/tls.ts'

const COUNT = Number(process.env['LANE_REQUESTS'] ?? 2000)
const SIZES = [4096, 1024 * 1024]
const AT_ONCE = 16

interface At {
  readonly address: string
  readonly endpoint: string
  readonly secretId: string
  readonly secretKey: string
}

const APP_ID = '125'
const REGION = 'ap-guangzhou'

if (process.argv[2] === 'serve') {
  const server = await startCosServer({
    appid: APP_ID,
    region: REGION,
    tls: { cert: CERTIFICATE, key: PRIVATE_KEY },
  })
  const { address, endpoint, secretId, secretKey } = server
  console.log(JSON.stringify({ address, endpoint, secretId, secretKey }))
  process.once('SIGTERM', () => void server.close())
} else if (process.argv[2] === 'load') {
  const before = process.memoryUsage().rss
  const started = performance.now()
  await import(process.argv[3] ?? '')
  const ms = (performance.now() - started).toFixed(0)
  console.log(`${ms} ms, ${((process.memoryUsage().rss - before) / 1024 ** 2).toFixed(0)} MiB`)
} else await main()

async function main(): Promise<void> {
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  await loading('the SDK', 'cos-nodejs-sdk-v5')
  const child = spawn(process.execPath, [import.meta.filename, 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    await measureAll(JSON.parse(line) as At)
  } finally {
    await stop(child)
  }
}

async function measureAll(at: At): Promise<void> {
  const { endpoint, address, secretId, secretKey } = at
  const cos = await openCosStorage({
    appId: APP_ID,
    region: REGION,
    connectTo: address,
    credentials: { secretId, secretKey },
    systemBucket: 'records',
  })
  const s3 = await openS3Storage({
    endpoint,
    region: REGION,
    addressing: 'virtual',
    bucketSuffix: `-${APP_ID}`,
    credentials: { accessKeyId: secretId, secretAccessKey: secretKey },
    systemBucket: 'records',
  })
  await cos.createBucket('bench')
  const { default: COS } = await import('cos-nodejs-sdk-v5')
  const sdk = new COS({
    SecretId: secretId,
    SecretKey: secretKey,
    Protocol: 'https:',
    ...({ Ip: address, StrictSsl: false } as object),
  })
  const named = { Bucket: `bench-${APP_ID}`, Region: REGION, Key: 'object' }
  for (let round = 1; round <= 2; round++)
    for (const size of SIZES) {
      const count = size > 65_536 ? COUNT / 10 : COUNT
      const bytes = Buffer.alloc(size, 1)
      await measure(`round ${round}: PUT ${size}, cos store`, count, () => put(cos, bytes))
      await measure(`round ${round}: PUT ${size}, s3 store`, count, () => put(s3, bytes))
      // SkipTask is of its queue, which sends three at a time.
      await measure(`round ${round}: PUT ${size}, SDK`, count, () =>
        sdk.putObject({ ...named, Body: bytes, ...({ SkipTask: true } as object) }),
      )
      await measure(`round ${round}: GET ${size}, cos store`, count, () => get(cos))
      await measure(`round ${round}: GET ${size}, s3 store`, count, () => get(s3))
      await measure(`round ${round}: GET ${size}, SDK`, count, () => sdk.getObject(named))
    }
  const call = {
    method: 'PUT',
    path: '/object',
    query: {},
    headers: {
      host: 'bench-125.cos.ap-guangzhou.myqcloud.com',
      'content-length': '4096',
      'content-type': 'text/plain',
      'x-cos-meta-sealgate': 'x'.repeat(560),
    },
  }
  const keys = { accessKeyId: secretId, secretAccessKey: secretKey }
  await measure('a signature, ours', 20_000, async () => void signCall(call, keys, validAround(Date.now())))
  await measure('a signature, the SDK', 20_000, async () => {
    COS.getAuthorization({
      SecretId: secretId,
      SecretKey: secretKey,
      Method: 'PUT',
      Key: 'object',
      Query: {},
      Headers: call.headers,
    } as never)
  })
  await cos.close()
  await s3.close()
}

async function put(storage: Storage, bytes: Buffer): Promise<void> {
  const body = (async function* () {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  })()
  const attributes = {
    headers: { 'content-type': 'text/plain' },
    metadata: { sealgate: 'x'.repeat(560) },
    storageClass: 'STANDARD',
  }
  await storage.putObject({ bucket: 'bench', key: 'object', ...attributes, size: bytes.length, body })
}

async function get(storage: Storage): Promise<void> {
  const { body } = await storage.getObject({ bucket: 'bench', key: 'object' })
  for await (const _ of body);
}

async function measure(name: string, count: number, one: () => Promise<unknown>): Promise<void> {
  const many = async (times: number) => {
    const turns = Array.from({ length: times }).values()
    const worker = async () => {
      for (const _ of turns) await one()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
  }
  await many(count / 10)
  const before = process.cpuUsage()
  await many(count)
  const { user, system } = process.cpuUsage(before)
  console.log(`${name}: ${((user + system) / count).toFixed(0)} µs of CPU`)
}

async function loading(name: string, module: string): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, 'load', module], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  console.log(`loading ${name}: ${line}`)
  await once(child, 'exit')
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill()
  await once(child, 'exit')
}
