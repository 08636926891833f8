/**
 * Uppy in a headless Chromium, column by column: `lane.ts BUNDLE COLUMN` serves a page with the bundle from an origin of its own, signs what the page
 * asks for, waits for its report, and then looks at what lies in the bucket.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListPartsCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

/** What the page asks to be signed. */
interface Wanted {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly key: string
  readonly uploadId?: string
  readonly partNumber?: number
}

const DIFFERS = 3
const MIB = 1024 * 1024
const LARGE = 12 * MIB + 5
/** The objects that a column leaves, by name and size. */
const LEFT: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  small: { 'small-1': 1, 'small-1000': 1000, 'small-65537': 65_537 },
  empty: { empty: 0 },
  multipart: { multipart: LARGE },
  resume: { resume: LARGE },
  special: {},
}
const [bundle = '', column = ''] = process.argv.slice(2)
const left = LEFT[column]
if (left === undefined) throw new TypeError(`expected a bundle and a column, got ${bundle} and ${column}`)
const Bucket = variable('LANE_BUCKET')
const client = new S3Client({
  endpoint: variable('LANE_ENDPOINT'),
  region: 'us-east-1',
  forcePathStyle: true,
  requestChecksumCalculation: 'WHEN_REQUIRED',
})
const reports: (string | undefined)[] = []
const server = createServer((request, response) => {
  answer(request).then(
    ([type, body]) => response.setHeader('content-type', type).end(body),
    (error) => response.writeHead(500).end(String(error)),
  )
}).listen(0)
await once(server, 'listening')
const { port } = server.address() as AddressInfo

await allow(`http://127.0.0.1:${port}`)
await visit(`http://127.0.0.1:${port}/`)
if (column === 'special') await visit(`http://localhost:${port}/`)
for (const [Key, size] of Object.entries(left)) {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
  const got = Buffer.from((await Body?.transformToByteArray()) ?? [])
  assert.ok(got.equals(Buffer.from(Uint8Array.from({ length: size }, (_, index) => index % 251))), Key)
}
process.exit(0)

function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new TypeError(`expected ${name}`)
  return value
}

/** The rules that Uppy's documentation asks for. */
async function allow(origin: string): Promise<void> {
  const CORSRules = [
    {
      AllowedOrigins: [origin],
      AllowedMethods: ['GET', 'PUT', 'POST', 'DELETE'],
      AllowedHeaders: ['*'],
      ExposeHeaders: ['ETag', 'Location'],
      MaxAgeSeconds: 3000,
    },
  ]
  try {
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }))
  } catch (error) {
    if ((error as Error).name !== 'NotImplemented') throw error
    process.stdout.write(
      'this server keeps no CORS rules, and without them no browser lets a page of another origin read an answer.\n',
    )
    process.exit(DIFFERS)
  }
}

async function visit(address: string): Promise<void> {
  const browser = spawn(
    'chromium',
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--no-proxy-server',
      `--user-data-dir=${join(variable('LANE_SCRATCH'), 'profile')}`,
      address,
    ],
    { stdio: 'ignore', detached: true },
  )
  const before = reports.length
  try {
    for (const end = Date.now() + 120_000; reports.length === before; ) {
      if (browser.exitCode !== null || Date.now() > end)
        throw new Error(`${address}: no report, exit ${browser.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  } finally {
    if (browser.exitCode === null && browser.pid !== undefined) {
      process.kill(-browser.pid, 'SIGKILL')
      await once(browser, 'exit')
    }
  }
  assert.equal(reports.at(-1), undefined)
}

async function answer(request: IncomingMessage): Promise<[type: string, body: string]> {
  if (request.url === '/')
    return ['text/html', '<!doctype html><script type="module" src="/page.js"></script>']
  if (request.url === '/page.js') return ['text/javascript', readFileSync(bundle, 'utf8')]
  if (request.url === '/task') return ['application/json', JSON.stringify({ column })]
  if (request.url === '/sign')
    return ['application/json', JSON.stringify({ url: await signed((await json(request)) as Wanted) })]
  if (request.url === '/report') reports.push(((await json(request)) as { failure?: string }).failure)
  return ['text/plain', '']
}

async function signed({
  method,
  key: Key,
  uploadId: UploadId,
  partNumber: PartNumber,
}: Wanted): Promise<string> {
  const object = { Bucket, Key }
  const options = { expiresIn: 600 }
  if (UploadId === undefined)
    return method === 'POST'
      ? await getSignedUrl(client, new CreateMultipartUploadCommand(object), options)
      : await getSignedUrl(client, new PutObjectCommand(object), options)
  const upload = { ...object, UploadId }
  if (method === 'PUT')
    return await getSignedUrl(client, new UploadPartCommand({ ...upload, PartNumber }), options)
  if (method === 'GET') return await getSignedUrl(client, new ListPartsCommand(upload), options)
  if (method === 'DELETE') return await getSignedUrl(client, new AbortMultipartUploadCommand(upload), options)
  return await getSignedUrl(client, new CompleteMultipartUploadCommand(upload), options)
}
