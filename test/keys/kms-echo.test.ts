import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import { DataKeys, KeyRing, type KmsOptions, openKms } from '../../src/keys/index.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { logRequest } from '../../src/telemetry/request-log.ts'
import { MemoryRecords } from '../lib/memory-records.ts'

/* A key service, or a proxy before it, that sends back what it was sent: in the codes and messages of its errors, or in what is no HTTP. */

type Answer = (response: ServerResponse, secret: string) => void

const json = (response: ServerResponse, status: number, value: object) => {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
  response.end(JSON.stringify(value))
}
const tencent = (Code: string, Message: string) => (response: ServerResponse) =>
  json(response, 200, { Response: { Error: { Code, Message }, RequestId: '1' } })
const aws = (type: string, message: string) => (response: ServerResponse) =>
  json(response, 400, { __type: type, message })
const vault = (status: number, error: string) => (response: ServerResponse) =>
  json(response, status, { errors: [error] })
const noHttp: Answer = (response, secret) => response.socket?.end(`HTTP/1.1 ${secret}\r\n\r\n`)
const hexOf = (secret: string) => Buffer.from(secret, 'base64').toString('hex')
const lettersOf = (secret: string) => secret.replace(/[^A-Za-z]/g, '')

const ECHOES: Readonly<Record<'tencent' | 'aws' | 'vault', Readonly<Record<string, Answer>>>> = {
  tencent: {
    'the code': (r, secret) => tencent(secret, 'no')(r),
    'a part of the code': (r, secret) => tencent(`InternalError.${secret}`, 'no')(r),
    'the message': (r, secret) => tencent('InvalidParameter', `bad plaintext ${secret}`)(r),
    'the message, in hex': (r, secret) => tencent('InternalError', `bad plaintext ${hexOf(secret)}`)(r),
    'the message, in pieces': (r, secret) => tencent('InternalError', secret.match(/.{1,8}/g)!.join(' '))(r),
    'what is no HTTP': noHttp,
  },
  aws: {
    'the name': (r, secret) => aws(secret, 'no')(r),
    'a header': (r, secret) => {
      r.setHeader('x-amzn-errortype', secret.replace(/[^A-Za-z0-9]/g, '_'))
      aws('X', 'no')(r)
    },
    'the message of an error that is known': (r, secret) => aws('DisabledException', `bad ${secret}`)(r),
    'the message of one that is not': (r, secret) => aws('ValidationException', `value ${secret}`)(r),
    'the message, in pieces': (r, secret) => aws('DisabledException', secret.match(/.{1,8}/g)!.join(' '))(r),
    'what is no HTTP': noHttp,
    'what is no JSON': (r, secret) => r.end(`{"Plaintext":"${secret}`),
  },
  vault: {
    'the message': (r, secret) => vault(400, `bad plaintext ${secret}`)(r),
    'the reason phrase': (r, secret) => {
      r.statusMessage = secret
      vault(500, 'no')(r)
    },
    'what is no HTTP': noHttp,
  },
}

async function echoing(answer: Answer) {
  const seen = { secret: '' }
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { Plaintext, plaintext } = JSON.parse(body || '{}') as Record<string, string>
    seen.secret = Plaintext ?? plaintext ?? seen.secret
    if (request.url?.includes('lookup-self') === true) return json(response, 200, { data: {} })
    answer(response, seen.secret)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { seen, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

const NOTHING = { realm: null, timeoutMs: 2000, local: null, tencent: null, aws: null, vault: null } as const
const options = (endpoint: string): Readonly<Record<keyof typeof ECHOES, KmsOptions>> => ({
  tencent: {
    ...NOTHING,
    provider: 'tencent',
    tencent: {
      region: 'ap-x',
      endpoint,
      keyId: '1234abcd-12ab-34cd-56ef-1234567890ab',
      credentials: { secretId: 'SID', secretKey: 'the-secret-of-the-credentials' },
    },
  },
  aws: {
    ...NOTHING,
    provider: 'aws',
    aws: {
      region: 'eu-west-1',
      endpoint,
      keyId: 'arn:aws:kms:eu-west-1:111122223333:key/abc',
      credentials: { accessKeyId: 'SID', secretAccessKey: 'the-secret-of-the-credentials' },
    },
  },
  vault: {
    ...NOTHING,
    provider: 'vault',
    vault: {
      address: endpoint,
      mount: 'transit',
      namespace: null,
      key: 'own',
      caFile: null,
      auth: { method: 'token', token: 'the-secret-of-the-credentials' },
    },
  },
})

for (const [provider, echoes] of Object.entries(ECHOES) as [keyof typeof ECHOES, (typeof ECHOES)['aws']][])
  describe(`a data key that ${provider} is asked to wrap`, () => {
    for (const [where, answer] of Object.entries(echoes))
      it(`comes into no log and no answer when it comes back in ${where}`, async () => {
        const { seen, endpoint, close } = await echoing(answer)
        const kms = await openKms(options(endpoint)[provider], {})
        const keys = new DataKeys({
          kms: kms.kms,
          realm: 'r',
          policy: () => ({ cmk: kms.current, retired: [] }),
          ring: new KeyRing({ records: new MemoryRecords(), realm: 'r' }),
          epoch: { maxAgeMs: 1e6, maxObjects: 10, maxBytes: 1e9 },
          decryptCache: { maxEntries: 10, maxAgeMs: 1e6 },
          source: 'local',
        })
        const lines: string[] = []
        const log = createLog('trace', { write: (line) => lines.push(line) })
        try {
          await assert.rejects(keys.encrypting('b', 1), (error) => {
            assert.ok(isError(error), String(error))
            // As it is logged for a request, and as something that nobody expected is.
            logRequest(log, { durationMs: 1, error: error.kind, reason: error.reason, cause: error.cause })
            log.error({ err: error }, 'unexpected')
            lines.push(error.message, String((error.cause as Error | undefined)?.stack))
            return true
          })
        } finally {
          keys.close()
          kms.close()
          close()
        }
        const { secret } = seen
        assert.equal(Buffer.from(secret, 'base64').length, 32)
        const all = lines.join('\n')
        assert.match(all, /KMS: /)
        // Neither it nor a piece of it, in any of its forms.
        for (const form of [secret, hexOf(secret), lettersOf(secret)])
          for (let at = 0; at + 8 <= form.length; at += 4)
            assert.ok(!all.includes(form.slice(at, at + 8)), `${form} in ${all}`)
        assert.ok(!all.includes('the-secret-of-the-credentials'))
      })
  })

describe('what a key service says of a call without a key', () => {
  it('is repeated, but for what looks like a key and what would move a cursor', async () => {
    const text = `User: arn:aws:iam::111122223333:user/backup is not authorized to perform: kms:GenerateDataKey\u001b[2J ${'Ab1+'.repeat(11)}`
    const { endpoint, close } = await echoing((response) => aws('AccessDeniedException', text)(response))
    const kms = await openKms(options(endpoint).aws, {})
    try {
      await assert.rejects(kms.kms.generateDataKey(kms.current, { a: 'b' }), {
        fault: 'denied',
        message:
          'AccessDeniedException: User: arn:aws:iam::111122223333:user/backup is not authorized to perform: kms:GenerateDataKey [2J [left out]',
      })
    } finally {
      kms.close()
      close()
    }
  })
})
