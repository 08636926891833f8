import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ByteBudget } from '../../src/base/byte-budget.ts'
import { checksumHeader, createChecksum } from '../../src/base/checksum.ts'
import { CHECKSUM_NAMES, type ChecksumAlgorithm } from '../../src/base/checksum-algorithm.ts'
import { type ErrorKind, SealgateError } from '../../src/errors.ts'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { readSmallBody, requestBody } from '../../src/s3/request-body.ts'
import type { Payload } from '../../src/s3/sigv4.ts'
import { cut, frameSigned, frameUnsigned, signedPayload } from './chunks.ts'
import { errorOf } from './signing.ts'

const BODY = Buffer.from('the quick brown fox')
const SEED = '0'.repeat(64)
const UNSIGNED: Payload = { mode: 'unsigned' }
const TRAILER: Payload = { mode: 'unsigned-chunks-trailer' }
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('base64')

function checksum(algorithm: ChecksumAlgorithm, bytes: Uint8Array): string {
  const running = createChecksum(algorithm)
  running.update(bytes)
  return running.digest().toString('base64')
}

interface Case {
  headers?: Record<string, string>
  payload?: Payload
  bytes?: Uint8Array
  method?: string
  maxBytes?: number
  checksumsOf?: 'body' | 'object'
  cuts?: number[]
}

function make({
  headers = {},
  payload = UNSIGNED,
  bytes = BODY,
  method = 'PUT',
  maxBytes = 1e6,
  checksumsOf,
  cuts = [],
}: Case) {
  const chunked = payload.mode.includes('chunks')
  const length = chunked ? 'x-amz-decoded-content-length' : 'content-length'
  const fields = Object.entries({ [length]: String(BODY.length), ...headers }).filter(
    ([, value]) => value !== '-',
  )
  return requestBody({
    body: cut(bytes, cuts),
    method,
    headers: new RequestHeaders(fields.flat()),
    payload,
    maxBytes,
    ...(checksumsOf === undefined ? {} : { checksumsOf }),
  })
}

function refusedAtOnce(o: Case, kind: ErrorKind): void {
  assert.equal(errorOf(() => make(o))?.kind, kind)
}

async function refusedAtTheEnd(o: Case, kind: ErrorKind): Promise<void> {
  const body = make(o)
  await assert.rejects(readSmallBody(body, 1e6), (error: unknown) => {
    assert.ok(error instanceof SealgateError, String(error))
    assert.equal(error.kind, kind)
    return true
  })
  assert.throws(() => body.checksums(), TypeError)
  assert.throws(() => body.md5(), TypeError)
}

describe('the length of a body', () => {
  test('is Content-Length, or the decoded one of aws-chunked', async () => {
    assert.deepEqual(await readSmallBody(make({}), 100), BODY)
    const framed = make({
      payload: TRAILER,
      bytes: frameUnsigned([BODY], '\r\n'),
      headers: { 'content-length': '5' },
    })
    assert.equal(framed.size, BODY.length)
    assert.deepEqual(await readSmallBody(framed, 100), BODY)
  })

  test('must be known: MissingContentLength', () => {
    refusedAtOnce({ headers: { 'content-length': '-' } }, 'MissingContentLength')
    refusedAtOnce(
      { headers: { 'content-length': '-', 'transfer-encoding': 'chunked' }, method: 'POST' },
      'MissingContentLength',
    )
    refusedAtOnce(
      { payload: TRAILER, headers: { 'x-amz-decoded-content-length': '-', 'content-length': '19' } },
      'MissingContentLength',
    )
    assert.equal(make({ headers: { 'content-length': '-' }, method: 'POST' }).size, 0)
  })

  test('must be a number: InvalidArgument', () => {
    for (const text of ['x', '-1', '1.5', '0x10', '', '9999999999999999'])
      refusedAtOnce({ headers: { 'content-length': text } }, 'InvalidArgument')
  })

  test('must be within the limit: MaxMessageLengthExceeded', async () => {
    refusedAtOnce({ maxBytes: BODY.length - 1 }, 'MaxMessageLengthExceeded')
    assert.equal(make({ maxBytes: BODY.length }).size, BODY.length)
    await assert.rejects(readSmallBody(make({}), BODY.length - 1), { kind: 'MaxMessageLengthExceeded' })
  })

  test('must be that of what comes: IncompleteBody', async () => {
    await refusedAtTheEnd({ bytes: BODY.subarray(1) }, 'IncompleteBody')
    await refusedAtTheEnd({ bytes: Buffer.concat([BODY, BODY]) }, 'IncompleteBody')
    for (const length of [BODY.length - 1, BODY.length + 1]) {
      const headers = { 'x-amz-decoded-content-length': String(length) }
      await refusedAtTheEnd(
        { payload: TRAILER, bytes: frameUnsigned([BODY], '\r\n'), headers },
        'IncompleteBody',
      )
    }
  })

  test('never lets more than so many bytes out', async () => {
    let seen = 0
    await assert.rejects(async () => {
      for await (const piece of make({ bytes: Buffer.concat([BODY, BODY]), cuts: [7] })) seen += piece.length
    })
    assert.ok(seen <= BODY.length)
  })
})

describe('digests of a body', () => {
  test('Content-MD5 is checked and told', async () => {
    const body = make({ headers: { 'content-md5': md5(BODY) } })
    assert.throws(() => body.md5(), TypeError)
    await readSmallBody(body, 100)
    assert.equal(body.md5()?.toString('base64'), md5(BODY))
    await refusedAtTheEnd({ headers: { 'content-md5': md5(Buffer.from('other')) } }, 'BadDigest')
    for (const text of ['', 'x', `${md5(BODY)}=`, md5(BODY).slice(0, -2), 'AAAA'])
      refusedAtOnce({ headers: { 'content-md5': text } }, 'InvalidDigest')
  })

  test('x-amz-content-sha256 is checked', async () => {
    const payload = (bytes: Uint8Array): Payload => ({
      mode: 'sha256',
      sha256: createHash('sha256').update(bytes).digest(),
    })
    assert.deepEqual(await readSmallBody(make({ payload: payload(BODY) }), 100), BODY)
    await refusedAtTheEnd({ payload: payload(Buffer.from('other')) }, 'XAmzContentSHA256Mismatch')
  })

  for (const algorithm of CHECKSUM_NAMES) {
    test(`${algorithm} is checked in a header and in a trailer, and told`, async () => {
      const name = checksumHeader(algorithm)
      const right = checksum(algorithm, BODY)
      const wrong = checksum(algorithm, Buffer.from('other'))
      const trailing = (value: string): Case => ({
        payload: TRAILER,
        headers: { 'x-amz-trailer': name, 'x-amz-sdk-checksum-algorithm': algorithm },
        bytes: frameUnsigned([BODY], `${name}:${value}\r\n\r\n`),
      })
      for (const good of [{ headers: { [name]: right } }, trailing(right)]) {
        const body = make(good)
        await readSmallBody(body, 100)
        assert.deepEqual(body.checksums(), [{ algorithm, value: Buffer.from(right, 'base64') }])
      }
      await refusedAtTheEnd({ headers: { [name]: wrong } }, 'BadDigest')
      await refusedAtTheEnd(trailing(wrong), 'BadDigest')
      await refusedAtTheEnd(trailing('x'), 'InvalidRequest')
      for (const text of ['', 'x', 'AAA=', `${right}A`])
        refusedAtOnce({ headers: { [name]: text } }, 'InvalidRequest')
    })
  }

  test('two checksums, one unknown, or one the SDK does not name: InvalidRequest', () => {
    const crc32 = { 'x-amz-checksum-crc32': checksum('CRC32', BODY) }
    refusedAtOnce({ headers: { ...crc32, 'x-amz-checksum-sha1': checksum('SHA1', BODY) } }, 'InvalidRequest')
    refusedAtOnce(
      { payload: TRAILER, headers: { ...crc32, 'x-amz-trailer': 'x-amz-checksum-sha1' } },
      'InvalidRequest',
    )
    refusedAtOnce({ headers: { 'x-amz-checksum-xxhash64': 'AAAA' } }, 'InvalidRequest')
    for (const named of ['SHA1', 'MD5', ''])
      refusedAtOnce({ headers: { ...crc32, 'x-amz-sdk-checksum-algorithm': named } }, 'InvalidRequest')
    refusedAtOnce({ headers: { 'x-amz-sdk-checksum-algorithm': 'CRC32' } }, 'InvalidRequest')
  })

  test('a trailer of another kind, or without a framing that has trailers: InvalidRequest', () => {
    refusedAtOnce({ payload: TRAILER, headers: { 'x-amz-trailer': 'x-amz-meta-a' } }, 'InvalidRequest')
    refusedAtOnce({ headers: { 'x-amz-trailer': 'x-amz-checksum-crc32' } }, 'InvalidRequest')
  })

  test('the coding of a framing without a framing: InvalidArgument, but for a body whose own hash was signed', () => {
    const coded = { 'content-encoding': 'gzip, aws-chunked' }
    const hashed: Payload = { mode: 'sha256', sha256: Buffer.alloc(32) }
    refusedAtOnce({ headers: coded }, 'InvalidArgument')
    const framed = { ...coded, 'x-amz-decoded-content-length': '5' }
    refusedAtOnce({ headers: framed, payload: hashed }, 'InvalidArgument')
    assert.equal(make({ headers: coded, payload: hashed }).size, BODY.length)
  })

  test('a trailer that was announced and never came: MalformedTrailerError', async () => {
    const headers = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
    await refusedAtTheEnd(
      { payload: TRAILER, headers, bytes: frameUnsigned([BODY], '\r\n') },
      'MalformedTrailerError',
    )
  })

  test('checksums of a completed object are no checksums of its XML', async () => {
    const headers = { 'x-amz-checksum-crc32': checksum('CRC32', Buffer.from('other')) }
    const body = make({ headers, method: 'POST', checksumsOf: 'object' })
    assert.deepEqual(await readSmallBody(body, 100), BODY)
    assert.deepEqual(body.checksums(), [])
  })

  test('nothing is told that was not asked', async () => {
    const body = make({})
    await readSmallBody(body, 100)
    assert.deepEqual([body.checksums(), body.md5()], [[], undefined])
  })
})

test('a body can be read only once', async () => {
  const body = make({})
  await readSmallBody(body, 100)
  await assert.rejects(readSmallBody(body, 100), TypeError)
})

test('a signed upload with a changed byte anywhere is refused, however it is cut', async () => {
  const name = checksumHeader('CRC64NVME')
  const line = `${name}:${checksum('CRC64NVME', BODY)}`
  const framed = frameSigned(SEED, [BODY.subarray(0, 9), BODY.subarray(9)], [line]).bytes
  const at = fc.integer({ min: 0, max: BODY.length - 1 })
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 })
  const settings = { payload: signedPayload(SEED, true), headers: { 'x-amz-trailer': name } }
  assert.deepEqual(await readSmallBody(make({ ...settings, bytes: framed }), 100), BODY)
  await fc.assert(
    fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), cuts, async (index, mask, lengths) => {
      const changed = Buffer.from(framed)
      const data = BODY[index] as number
      const start =
        index < 9 ? framed.indexOf(BODY.subarray(0, 9)) + index : framed.indexOf(BODY.subarray(9)) + index - 9
      assert.equal(changed[start], data)
      changed[start] = data ^ mask
      await refusedAtTheEnd({ ...settings, bytes: changed, cuts: lengths }, 'SignatureDoesNotMatch')
    }),
    { numRuns: 50 },
  )
})

describe('a body that is held whole', () => {
  test('takes of the budget of all of them what has come, and gives it back in the end', async () => {
    const budget = new ByteBudget(BODY.length + 4)
    for (const bytes of [BODY, BODY.subarray(1)]) {
      await readSmallBody(make({ bytes, cuts: [3, 5] }), 100, budget).catch(() => undefined)
      assert.equal(budget.take(BODY.length + 4), true)
      budget.giveBack(BODY.length + 4)
    }
  })

  test('is told to come back when too many are held: SlowDown', async () => {
    const budget = new ByteBudget(BODY.length - 1)
    await assert.rejects(readSmallBody(make({ cuts: [3] }), 100, budget), {
      kind: 'SlowDown',
      headers: { 'retry-after': '1' },
    })
    assert.equal(budget.take(BODY.length - 1), true)
  })
})
