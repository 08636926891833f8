import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SealgateError } from '../../src/errors.ts'
import { FormFields } from '../../src/s3/form/form-fields.ts'
import { checkPolicy, parsePolicy } from '../../src/s3/form/post-policy.ts'

const NOW = Date.parse('2030-01-01T00:00:00Z')
const EXPIRATION = '2030-01-01T00:01:00Z'
/** As a form writes it. */
const VARIABLE = '$'.concat('{filename}')
const base64 = (text: string) => Buffer.from(text).toString('base64')
const document = (conditions: unknown, expiration: unknown = EXPIRATION) =>
  base64(JSON.stringify({ expiration, conditions }))

function check(conditions: readonly unknown[], form: Record<string, string>, now = NOW) {
  const fields = new FormFields(Object.entries(form).map(([name, value]) => ({ name, value })))
  return checkPolicy(parsePolicy(document(conditions)), { fields, bucket: 'here', now })
}

function says(run: () => unknown, kind: string, message: string): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof SealgateError)
    assert.deepEqual([error.kind, error.message], [kind, message])
    return true
  })
}

const denied = (run: () => unknown, message: string) =>
  says(run, 'AccessDenied', `Invalid according to Policy: ${message}`)

describe('the policy of a form', () => {
  it('that is none is InvalidPolicyDocument, with what is wrong with it', () => {
    const simple = 'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.'
    for (const [policy, message] of [
      ['', 'Invalid JSON.'],
      [base64('[]'), 'Invalid JSON.'],
      [base64('null'), 'Invalid JSON.'],
      [Buffer.from('{"expiration":"\xff"}', 'latin1').toString('base64'), 'Invalid JSON.'],
      [base64('{"conditions":[]}'), 'Policy missing expiration.'],
      [base64(`{"expiration":"${EXPIRATION}"}`), 'Policy missing conditions.'],
      [base64(`{"EXPIRATION":"${EXPIRATION}","conditions":[]}`), "Unexpected: 'EXPIRATION'"],
      [document([], '2030-01-01 00:00:00+00:00'), "Invalid 'expiration' value: '2030-01-01 00:00:00+00:00'"],
      [document([], '2030-01-01T00:00:00+02:00'), "Invalid 'expiration' value: '2030-01-01T00:00:00+02:00'"],
      [document([], '2030-13-01T00:00:00Z'), "Invalid 'expiration' value: '2030-13-01T00:00:00Z'"],
      [document([], 1), "Invalid 'expiration' value: '1'"],
      [document([], { toString: 1 }), "Invalid 'expiration' value: 'object'"],
      [
        base64(`{"expiration":${'['.repeat(7000)}${']'.repeat(7000)},"conditions":[]}`),
        "Invalid 'expiration' value: 'object'",
      ],
      [document({}), "Invalid 'conditions' value: must be a List."],
      [document(['x']), 'Invalid condition: must be a List or Object.'],
      [document([{}]), simple],
      [document([{ bucket: 'b', key: 'k' }]), simple],
      [document([{ 'Content-Length': 1 }]), 'Invalid Simple-Condition: value must be a string.'],
      [document([[]]), 'Invalid Condition: missing operation identifier.'],
      [document([['ends-with', '$key', 'x']]), "Invalid Condition: unknown operation 'ends-with'."],
      [document([['eq', '$key']]), 'Invalid eq: wrong number of arguments.'],
      [document([['eq', '$key', 'a', 'b']]), 'Invalid eq: wrong number of arguments.'],
      [document([['eq', '$key', 1]]), 'Invalid JSON.'],
      [document([['content-length-range', 0]]), 'Invalid content-length-range: wrong number of arguments.'],
      ...[-1, 0.5, null].map((bound) => [
        document([['content-length-range', bound, 5]]),
        'Invalid content-length-range: a bound is a whole number of bytes.',
      ]),
    ] as [string, string][])
      says(() => parsePolicy(policy), 'InvalidPolicyDocument', `Invalid Policy: ${message}`)
  })

  it('holds until its second', () => {
    const at = Date.parse(EXPIRATION)
    check([{ bucket: 'here' }], {}, at)
    denied(() => check([{ bucket: 'here' }], {}, at + 1), 'Policy expired.')
  })

  it('every condition has to hold; names and operators are the same in any case, values are not', () => {
    const form = { kEy: 'dir/a', 'X-Amz-Meta-A': 'One' }
    check([{ bUcKeT: 'here' }, ['StArTs-WiTh', '$KEY', 'dir/'], ['EQ', '$x-amz-meta-a', 'One']], form)
    for (const [condition, shown] of [
      [{ 'x-amz-meta-a': 'one' }, '["eq", "$x-amz-meta-a", "one"]'],
      [['starts-with', '$x-amz-meta-A', 'o'], '["starts-with", "$x-amz-meta-A", "o"]'],
      [['starts-with', '$acl', ''], '["starts-with", "$acl", ""]'],
      [['eq', 'key', 'dir/a'], '["eq", "key", "dir/a"]'],
      [['eq', '$key', 'a"b'], '["eq", "$key", "a\\"b"]'],
    ])
      denied(
        () => check([['starts-with', '$key', ''], ['starts-with', '$x-amz-meta-a', ''], condition], form),
        `Policy Condition failed: ${shown}`,
      )
  })

  it('a key or a token that it names is not in the error', () => {
    for (const name of ['x-amz-server-side-encryption-customer-key', 'X-Amz-Security-Token'])
      denied(() => check([{ [name]: 'secret' }], {}), `Policy Condition failed: ["eq", "$${name}", "***"]`)
  })

  it('the bucket is that of the address, and no field says another', () => {
    check([{ bucket: 'here' }], { bucket: 'here' })
    denied(() => check([{ bucket: 'there' }], {}), 'Policy Condition failed: ["eq", "$bucket", "there"]')
    for (const bucket of ['here', 'there'])
      denied(
        () => check([{ bucket }], { bucket: 'there' }),
        `Policy Condition failed: ["eq", "$bucket", "${bucket}"]`,
      )
  })

  it('of a list of types, each has to begin as it says', () => {
    const images = [['starts-with', '$Content-Type', 'image/']]
    check(images, { 'content-type': 'image/png,image/gif' })
    denied(
      () => check(images, { 'content-type': 'image/png,text/html' }),
      'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]',
    )
  })

  it('every field has a condition, but those of the signature and those that begin with x-ignore-', () => {
    const form = {
      Policy: 'p',
      'X-Amz-Signature': 's',
      signature: 's',
      AWSAccessKeyId: 'a',
      'X-Ignore-Me': '1',
    }
    check([], form)
    denied(() => check([], { ...form, Filename: 'f' }), 'Extra input fields: Filename')
    denied(() => check([{ a: '1' }], { a: '1', key: 'k', acl: 'private' }), 'Extra input fields: key, acl')
  })

  it('ranges of the length narrow one another; numbers may stand in quotes', () => {
    assert.deepEqual(check([], {}), { min: 0, max: Number.MAX_SAFE_INTEGER })
    const ranges = [
      ['content-length-range', '5', '10'],
      ['content-length-range', 0, 8],
    ]
    assert.deepEqual(check(ranges, {}), { min: 5, max: 8 })
    denied(
      () => check([['content-length-range', 'test', '10']], {}),
      'Policy Condition failed: ["content-length-range", "test", 10]',
    )
  })

  it('escapes of its own language are understood', () => {
    const policy = base64(
      `{"expiration":"${EXPIRATION}","conditions":[["eq","$key","\\$a\\\\$b\\v\\u0041"]]}`,
    )
    const fields = new FormFields([{ name: 'key', value: '$a\\$b\u000bA' }])
    checkPolicy(parsePolicy(policy), { fields, bucket: 'here', now: NOW })
  })
})

describe('the fields of a form', () => {
  it('take the name of the file, without the directories of the client', () => {
    const of = (value: string, filename: string | undefined) =>
      new FormFields([{ name: 'Key', value }]).withFilename(filename).get('key')
    assert.equal(of(`a/${VARIABLE}/${VARIABLE}`, 'x'), 'a/x/x')
    assert.equal(of(VARIABLE, 'C:\\dir\\x y.txt'), 'x y.txt')
    assert.equal(of(VARIABLE, '/home/me/$&.txt'), '$&.txt')
    assert.equal(of(`a/${VARIABLE}`, ''), 'a/')
    assert.equal(of(`a/${VARIABLE}`, undefined), `a/${VARIABLE}`)
  })

  it('of one name are one, with commas between', () => {
    const fields = new FormFields(['Ninja', 'Stallman'].map((value) => ({ name: 'x-amz-meta-tag', value })))
    assert.equal(fields.get('x-amz-meta-tag'), 'Ninja,Stallman')
  })
})
