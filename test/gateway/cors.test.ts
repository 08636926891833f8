import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { xmlElement } from '../../src/base/xml-reader.ts'
import { SealgateError } from '../../src/errors.ts'
import { allowedBy, type CorsRule, CorsRules, rulesOf } from '../../src/gateway/cors.ts'

const RULE: CorsRule = {
  origins: ['https://app.example.com'],
  methods: ['GET', 'PUT'],
  headers: [],
  exposed: [],
  maxAgeSeconds: undefined,
}
const VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'

function allows(rule: Partial<CorsRule>, origin: string, method = 'GET', headers: string[] = []): boolean {
  return allowedBy([{ ...RULE, ...rule }], { origin, method, headers }) !== null
}

describe('a CORS rule', () => {
  it('fits an origin to the letter, or by one asterisk', () => {
    assert.ok(allows({}, 'https://app.example.com'))
    for (const other of [
      'http://app.example.com',
      'https://APP.example.com',
      'https://app.example.com:1',
      'null',
      '',
    ])
      assert.ok(!allows({}, other), other)
    const origins = ['https://*.example.com']
    assert.ok(allows({ origins }, 'https://a.b.example.com'))
    for (const other of ['https://example.com', 'https://a.example.com.evil.test', 'http://a.example.com'])
      assert.ok(!allows({ origins }, other), other)
    assert.ok(!allows({ origins: ['ab*ba'] }, 'aba'), 'the ends do not overlap')
    assert.ok(allows({ origins: ['*'] }, 'null'))
  })

  it('fits a method, and every header whatever its case', () => {
    const origin = 'https://app.example.com'
    assert.ok(!allows({}, origin, 'DELETE') && !allows({}, origin, 'get'))
    const headers = ['x-amz-*', 'content-type']
    assert.ok(allows({ headers }, origin, 'PUT', ['X-Amz-Meta-A', 'Content-Type']))
    assert.ok(!allows({ headers }, origin, 'PUT', ['x-amz-meta-a', 'authorization']))
    assert.ok(allows({ headers: ['*'] }, origin, 'PUT', ['authorization']))
    assert.ok(!allows({}, origin, 'PUT', ['authorization']))
  })

  it('says what it allows; the first that fits, and credentials only to an origin that it names', () => {
    const first = { ...RULE, exposed: ['ETag', 'x-amz-version-id'], maxAgeSeconds: '60', headers: ['*'] }
    const any = { ...RULE, origins: ['*'], methods: ['HEAD', 'GET'] }
    const request = { origin: 'https://app.example.com', method: 'GET', headers: ['X-A', 'b'] }
    assert.deepEqual(allowedBy([first, any], request), {
      'access-control-allow-origin': 'https://app.example.com',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'x-a, b',
      'access-control-expose-headers': 'ETag, x-amz-version-id',
      'access-control-max-age': '60',
      'access-control-allow-credentials': 'true',
      vary: VARY,
    })
    assert.deepEqual(allowedBy([any, first], { ...request, headers: [] }), {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'HEAD, GET',
      vary: VARY,
    })
    assert.equal(allowedBy([], request), null)
  })
})

describe('the rules of buckets', () => {
  const document = (...origins: string[]) =>
    xmlElement('CORSConfiguration', [
      xmlElement('CORSRule', [
        ...origins.map((origin) => xmlElement('AllowedOrigin', origin)),
        xmlElement('AllowedMethod', 'GET'),
        xmlElement('AllowedHeader', 'X-A'),
      ]),
    ])

  it('are asked for once, and again when they were changed', async () => {
    let loads = 0
    const rules = new CorsRules(async () => document(`https://${++loads}.test`))
    const [one, same] = await Promise.all([rules.of('b'), rules.of('b')])
    assert.equal(one, same)
    assert.deepEqual(one, rulesOf(document('https://1.test')))
    assert.deepEqual(one[0]?.headers, ['x-a'])
    await rules.of('other')
    assert.equal(loads, 2)
    rules.forget('b')
    assert.deepEqual(await rules.of('b'), rulesOf(document('https://3.test')))
  })

  it('are none where the store has none, and a failure is not remembered', async () => {
    const kinds = ['NoSuchCORSConfiguration', 'NoSuchBucket', 'NotImplemented', 'AccessDenied'] as const
    for (const kind of kinds)
      assert.deepEqual(await new CorsRules(() => Promise.reject(new SealgateError(kind))).of('b'), [])
    let isDown = true
    const rules = new CorsRules(async () => {
      if (isDown) throw new SealgateError('ServiceUnavailable')
      return document('*')
    })
    await assert.rejects(rules.of('b'), { kind: 'ServiceUnavailable' })
    isDown = false
    assert.equal((await rules.of('b')).length, 1)
  })

  it('are not looked up for more than a few buckets at once: preflights carry no signature', async () => {
    let release = (): void => undefined
    const wait = new Promise<void>((resolve) => {
      release = resolve
    })
    const rules = new CorsRules(async () => {
      await wait
      return document('*')
    })
    const asked = Array.from({ length: 40 }, (_, n) => rules.of(`bucket-${n}`))
    const settled = Promise.allSettled(asked)
    release()
    const outcomes = await settled
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 16)
    assert.equal((await rules.of('bucket-39')).length, 1)
  })
})
