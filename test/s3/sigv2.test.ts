import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { SELECTORS } from '../../src/s3/operation-table.ts'
import { authenticateVersion2, isVersion2, SIGNED_PARAMETERS } from '../../src/s3/sigv2.ts'
import { parseTarget } from '../../src/s3/target.ts'
import { ACCESS_KEY_ID, errorOf, SECRET, sha256 } from './signing.ts'

interface Sent {
  readonly method?: string
  readonly url: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly now?: number
}

function check({ method = 'GET', url, headers = [], now = Date.now() }: Sent) {
  const fields = new RequestHeaders(headers.flat())
  const target = parseTarget(url, fields.get('host'), ['s3.amazonaws.com'])
  const request = { method, target, headers: fields }
  assert.ok(isVersion2(request))
  return authenticateVersion2(request, {
    credentials: (id) => (id === ACCESS_KEY_ID ? SECRET : undefined),
    region: null,
    now: () => now,
  })
}

/** A request of the User Guide ("Request Authentication Examples"), at its own time. */
function example(o: Sent & { readonly date: string; readonly signature: string; readonly host?: string }) {
  return check({
    ...o,
    now: Date.parse(o.date),
    headers: [
      ['Host', o.host ?? 'johnsmith.s3.amazonaws.com'],
      ['Date', o.date],
      ...(o.headers ?? []),
      ['Authorization', `AWS ${ACCESS_KEY_ID}:${o.signature}`],
    ],
  })
}

/** A signer that is not ours. */
const sign = (...lines: string[]) => createHmac('sha1', SECRET).update(lines.join('\n')).digest('base64')

describe('Signature Version 2', () => {
  it("Amazon's own examples verify", () => {
    example({
      url: '/photos/puppy.jpg',
      date: 'Tue, 27 Mar 2007 19:36:42 +0000',
      signature: 'bWq2s1WEIj+Ydj0vQ697zp+IXMU=',
    })
    example({
      method: 'PUT',
      url: '/photos/puppy.jpg',
      headers: [
        ['Content-Type', 'image/jpeg'],
        ['Content-Length', '94328'],
      ],
      date: 'Tue, 27 Mar 2007 21:15:45 +0000',
      signature: 'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
    })
    example({
      url: '/?prefix=photos&max-keys=50&marker=puppy',
      date: 'Tue, 27 Mar 2007 19:42:41 +0000',
      signature: 'htDYFYduRNen8P9ZfE/s9SuKy0U=',
    })
    example({
      url: '/?acl',
      date: 'Tue, 27 Mar 2007 19:44:46 +0000',
      signature: 'c2WLPFtWHVgbEmeEG93a4cG37dM=',
    })
    example({
      url: '/',
      host: 's3.amazonaws.com',
      date: 'Wed, 28 Mar 2007 01:29:59 +0000',
      signature: 'qGdzdERIC03wnaRNKh6OqZehG9s=',
    })
    example({
      url: '/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
      host: 's3.amazonaws.com',
      date: 'Wed, 28 Mar 2007 01:49:49 +0000',
      signature: 'DNEZGsoieTZ92F3bUfSPQcbGmlM=',
    })
    example({
      method: 'PUT',
      url: '/static.johnsmith.net/db-backup.dat.gz',
      host: 's3.amazonaws.com',
      headers: [
        ['x-amz-acl', 'public-read'],
        ['content-type', 'application/x-download'],
        ['Content-MD5', '4gJE4saaMU4BqNR0kLY+lw=='],
        ['X-Amz-Meta-ReviewedBy', 'joe@johnsmith.net'],
        ['X-Amz-Meta-ReviewedBy', 'jane@johnsmith.net'],
        ['X-Amz-Meta-FileChecksum', '0x02661779'],
        ['X-Amz-Meta-ChecksumAlgorithm', 'crc32'],
      ],
      date: 'Tue, 27 Mar 2007 21:06:08 +0000',
      signature: 'ilyl83RwaSoYIEdixDQcA4OnAnc=',
    })
    const presigned = check({
      url: `/photos/puppy.jpg?AWSAccessKeyId=${ACCESS_KEY_ID}&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620`,
      headers: [['Host', 'johnsmith.s3.amazonaws.com']],
      now: 1_175_139_620_000,
    })
    assert.deepEqual(presigned, {
      accessKeyId: ACCESS_KEY_ID,
      presigned: true,
      payload: { mode: 'unsigned' },
    })
  })

  const date = new Date().toUTCString()
  const signed = (
    url: string,
    resource: string,
    more: readonly (readonly [string, string])[] = [],
    amz = '',
  ) => ({
    url,
    headers: [
      ['Host', 's3.amazonaws.com'],
      ['Date', date],
      ...more,
      [
        'Authorization',
        `AWS ${ACCESS_KEY_ID}:${sign('GET', '', '', amz.includes('x-amz-date') ? '' : date, amz + resource)}`,
      ],
    ] as const,
  })

  it('signs what chooses an operation, a version or the answer, as it was written', () => {
    check(signed('/b/k?uploads=&prefix=x', '/b/k?uploads='))
    check(signed('/b/k?uploads', '/b/k?uploads'))
    check(signed('/b?acl', '/b?acl'))
    check(signed('/b?acl', '/b/?acl'))
    check(signed('/b/', '/b/'))
    assert.equal(errorOf(() => check(signed('/b/', '/b')))?.kind, 'SignatureDoesNotMatch')
    assert.equal(errorOf(() => check(signed('/b/k', '/b/k/')))?.kind, 'SignatureDoesNotMatch')
    check(signed('/b/k?versionId=%2B%3D&partNumber=1', '/b/k?partNumber=1&versionId=+='))
    check(
      signed('/b/k?response-content-type=text/plain;%20%C3%B6', '/b/k?response-content-type=text/plain; ö'),
    )
    const added = [
      'acl',
      'tagging',
      'retention',
      'versionId=1',
      'response-expires=1',
      'encryption',
      'uploads',
    ]
    for (const parameter of added)
      assert.equal(errorOf(() => check(signed(`/b/k?${parameter}`, '/b/k')))?.kind, 'SignatureDoesNotMatch')
    // Those that are not signed by clients read less or nothing else than what was signed.
    assert.deepEqual([...SELECTORS].filter((name) => !SIGNED_PARAMETERS.has(name)).sort(), [
      'attributes',
      'list-type',
    ])
  })

  it('signs every x-amz- header, and x-amz-date in the place of Date', () => {
    const amz = `x-amz-date:${date}\nx-amz-meta-a:1\n`
    const more = [
      ['X-Amz-Meta-A', '1'],
      ['x-amz-date', date],
    ] as const
    check(signed('/b/k', '/b/k', more, amz))
    const other = signed('/b/k', '/b/k', [...more, ['x-amz-acl', 'private']], amz)
    assert.equal(errorOf(() => check(other))?.kind, 'SignatureDoesNotMatch')
  })

  it('a body has its hash where a signed header says so', () => {
    const payload = (value: string) =>
      check(signed('/b/k', '/b/k', [['x-amz-content-sha256', value]], `x-amz-content-sha256:${value}\n`))
        .payload
    assert.deepEqual(payload(sha256('x')), { mode: 'sha256', sha256: Buffer.from(sha256('x'), 'hex') })
    assert.deepEqual(payload('UNSIGNED-PAYLOAD'), { mode: 'unsigned' })
    assert.deepEqual(payload('STREAMING-UNSIGNED-PAYLOAD-TRAILER'), { mode: 'unsigned-chunks-trailer' })
    assert.equal(errorOf(() => payload('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'))?.kind, 'InvalidArgument')
  })

  it('is refused when it is not there, of another, of another time or wrong', () => {
    const authorization = (value: string, more: readonly (readonly [string, string])[] = [['Date', date]]) =>
      errorOf(() => check({ url: '/b/k', headers: [...more, ['Authorization', value]] }))
    assert.equal(authorization('AWS nobody')?.kind, 'InvalidArgument')
    assert.equal(authorization('AWS nobody:abc')?.kind, 'InvalidAccessKeyId')
    const mine = `AWS ${ACCESS_KEY_ID}:abc`
    const wrong = authorization(mine)
    assert.equal(wrong?.kind, 'SignatureDoesNotMatch')
    assert.equal(wrong?.details['StringToSign'], `GET\n\n\n${date}\n/b/k`)
    assert.equal(authorization(mine, [])?.kind, 'AccessDenied')
    for (const [time, kind] of [
      ['Tue, 07 Jul 2010 21:53:04 GMT', 'RequestTimeTooSkewed'],
      ['Tue, 07 Jul 2099 21:53:04 GMT', 'RequestTimeTooSkewed'],
      ['Tue, 07 Jul 1950 21:53:04 GMT', 'AccessDenied'],
      ['Bad Date', 'AccessDenied'],
      ['', 'AccessDenied'],
    ] as const)
      assert.equal(
        authorization(mine, [
          ['Date', date],
          ['x-amz-date', time],
        ])?.kind,
        kind,
        time,
      )
    const key = 'c2VjcmV0IGtleQ=='
    const secret = authorization(mine, [
      ['Date', date],
      ['x-amz-server-side-encryption-customer-key', key],
    ])
    assert.ok(secret !== undefined && !JSON.stringify(secret.details).includes(key))
  })

  it('in a header full of blanks is read once for each, however long it is', { timeout: 60_000 }, () => {
    const headers = [['Authorization', `AWS${' '.repeat(60_000)}x`]] as const
    for (let n = 0; n < 50; n++)
      assert.equal(errorOf(() => check({ url: '/b/k', headers }))?.kind, 'InvalidArgument')
  })

  it('presigned, lives until its second, and signs the fields of the query that stand for headers', () => {
    const expires = 2_000_000_000
    const amz = 'x-amz-meta-a:1\nx-amz-security-token:t\n'
    const signature = sign('GET', 'md5==', 'text/plain', String(expires), `${amz}/b/k?versionId=1`)
    const url = `/b/k?content-md5=md5%3D%3D&Content-Type=text/plain&x-amz-meta-a=1&x-amz-security-token=t&versionId=1&AWSAccessKeyId=${ACCESS_KEY_ID}&Signature=${encodeURIComponent(signature)}&Expires=${expires}`
    const headers = [['Host', 's3.amazonaws.com']] as const
    check({ url, headers, now: expires * 1000 })
    assert.equal(errorOf(() => check({ url, headers, now: expires * 1000 + 1 }))?.kind, 'AccessDenied')
    for (const change of [
      (text: string) => text.replace('meta-a=1', 'meta-a=2'),
      (text: string) => text.replace('md5%3D', 'md6%3D'),
      (text: string) => text.replace(`Expires=${expires}`, `Expires=${expires + 1}`),
      (text: string) => `${text}&x-amz-copy-source=/b/other`,
      (text: string) => `${text}&acl`,
    ])
      assert.equal(
        errorOf(() => check({ url: change(url), headers, now: expires * 1000 - 1 }))?.kind,
        'SignatureDoesNotMatch',
      )
    for (const [from, to] of [
      [/Expires=\d+/, 'Expires=soon'],
      [/&Expires=\d+/, ''],
    ] as const)
      assert.equal(errorOf(() => check({ url: url.replace(from, to), headers }))?.kind, 'AccessDenied')
  })
})
