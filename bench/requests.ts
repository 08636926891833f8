/** The requests that are measured, signed beforehand: in each way in which clients frame a body. */
import { createChecksum } from '../src/base/checksum.ts'
import { uriEncode } from '../src/base/uri-encode.ts'
import { EMPTY_SHA256, sha256, signRequest } from '../src/storage/s3/signer.ts'
import { BENCH_KEYS } from './bench-keys.ts'
import type { Exchange } from './wire-client.ts'

/** unsigned: UNSIGNED-PAYLOAD. signed: the SHA-256 of the body. crc32, crc64nvme: an unsigned trailer, as SDKs send it by default. */
export type BodyFraming = 'unsigned' | 'signed' | 'crc32' | 'crc64nvme'

export interface RequestPlan {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly bucket: string
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes of the body. */
  readonly size?: number
  /** A body of its own. */
  readonly document?: Buffer
  readonly framing?: BodyFraming
}

const BLOCK = 1024 * 1024
/** Not all zeros, which some layer may be quick with. */
const content = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + (i >> 5)) & 255))
const block = Buffer.concat(Array.from({ length: BLOCK / content.length }, () => content))

export function signedRequest(plan: RequestPlan, port: number): Exchange {
  const body = sentBody(plan)
  // All targets have the same store behind them.
  const path = `/${plan.bucket}-${port}${plan.key === undefined ? '' : `/${plan.key.split('/').map(uriEncode).join('/')}`}`
  const query = Object.entries(plan.query ?? {})
    .map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
    .sort()
    .join('&')
  const { headers } = signRequest(
    {
      method: plan.method,
      path,
      query,
      headers: { host: `127.0.0.1:${port}`, ...plan.headers, ...body?.headers },
      payload: body?.payload ?? EMPTY_SHA256,
    },
    BENCH_KEYS,
    'us-east-1',
    Date.now(),
  )
  const lines = Object.entries({ ...headers, ...(body && { 'content-length': String(body.wireLength) }) })
  const fields = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const target = query === '' ? path : `${path}?${query}`
  const head = Buffer.from(`${plan.method} ${target} HTTP/1.1\r\n${fields}\r\n`, 'latin1')
  return { head, body: body?.piece ?? null, times: body?.times ?? 0, tail: body?.tail ?? null }
}

function sentBody({ size, framing = 'unsigned', document }: RequestPlan): SentBody | null {
  if (document !== undefined) return plain(document, 1, 'unsigned')
  return size === undefined ? null : bodyOf(size, framing)
}

interface SentBody {
  readonly piece: Buffer
  readonly times: number
  readonly tail: Buffer | null
  readonly wireLength: number
  readonly payload: string
  readonly headers: Readonly<Record<string, string>>
}

/** Sizes above a block are whole blocks. Kept: the same ones are asked for again and again. */
const bodies = new Map<string, SentBody>()

function bodyOf(size: number, framing: BodyFraming): SentBody {
  const name = `${size} ${framing}`
  const kept = bodies.get(name)
  if (kept !== undefined) return kept
  const piece = block.subarray(0, Math.min(size, BLOCK))
  const times = size === 0 ? 0 : size / piece.length
  if (!Number.isInteger(times)) throw new RangeError('bodies above 1 MiB are whole mebibytes')
  const made =
    framing === 'unsigned' || framing === 'signed'
      ? plain(piece, times, framing)
      : trailed(piece, times, framing)
  bodies.set(name, made)
  return made
}

function plain(piece: Buffer, times: number, framing: BodyFraming): SentBody {
  const payload =
    framing === 'unsigned' ? 'UNSIGNED-PAYLOAD' : sha256(times === 1 ? piece : repeated(piece, times))
  return { piece, times, tail: null, wireLength: piece.length * times, payload, headers: {} }
}

function repeated(piece: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => piece))
}

function trailed(piece: Buffer, times: number, framing: 'crc32' | 'crc64nvme'): SentBody {
  const checksum = createChecksum(framing === 'crc32' ? 'CRC32' : 'CRC64NVME')
  for (let n = 0; n < times; n++) checksum.update(piece)
  const trailer = `x-amz-checksum-${framing}`
  // One frame to a block, as SDKs send them.
  const frame = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
  const tail = Buffer.from(`0\r\n${trailer}:${checksum.digest().toString('base64')}\r\n\r\n`)
  return {
    piece: frame,
    times,
    tail,
    wireLength: frame.length * times + tail.length,
    payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: {
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(piece.length * times),
      'x-amz-trailer': trailer,
    },
  }
}
