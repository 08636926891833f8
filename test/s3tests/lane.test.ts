import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compare, difference } from './compare.ts'
import { configurationOf, sameUser } from './configuration.ts'
import { expectedOver, parseExpected, readExpected } from './expected.ts'
import { readReport } from './suite.ts'

describe('the list of tests that are known not to pass', () => {
  it('gives each one a reason', () => {
    const expected = readExpected()
    assert.ok(expected.size > 100)
    for (const [name, { reason }] of expected) {
      assert.match(name, /^test_[a-z0-9_]+(\[.+\])?$/i)
      assert.match(reason, /^[A-Z].*\.$/, name)
    }
  })

  it('is refused where a name has no reason, or two', () => {
    assert.throws(() => parseExpected('test_a\n'), /no reason/)
    assert.throws(() => parseExpected('## One.\ntest_a\n## Two.\ntest_a\n'), /twice/)
    assert.throws(() => parseExpected('## One.\ntest_a maybe\n'), /no name/)
    assert.throws(() => parseExpected('## [tape] One.\ntest_a\n'), /no store tape/)
  })

  it('says over which stores, and what Ceph does not pass either', () => {
    const parsed = parseExpected(
      '# Comment\n\n## One.\ntest_a\n\n## [ceph] Two.\n  test_b  \n## Three.\ntest_c[1-2] (nor Ceph)\n',
    )
    assert.deepEqual(Object.fromEntries(parsed), {
      test_a: { reason: 'One.', stores: ['fs', 'ceph'], failsOnCeph: false },
      test_b: { reason: 'Two.', stores: ['ceph'], failsOnCeph: false },
      'test_c[1-2]': { reason: 'Three.', stores: ['fs', 'ceph'], failsOnCeph: true },
    })
    assert.deepEqual([...expectedOver(parsed, 'fs').keys()], ['test_a', 'test_c[1-2]'])
  })
})

describe('a run of the suite', () => {
  const report = `<?xml version="1.0"?><testsuites><testsuite>
    <testcase classname="c" name="test_passes"/>
    <testcase classname="c" name="test_listed"><failure message="m">text</failure></testcase>
    <testcase classname="c" name="test_broken[a-1]"><error message="setup &lt;"/></testcase>
    <testcase classname="c" name="test_skipped"><skipped message="no"/></testcase>
    <testcase classname="c" name="test_mended"/>
    <testcase classname="c" name="test_twice"/><testcase classname="c" name="test_twice"><error/></testcase>
  </testsuite></testsuites>`
  const outcomes = readReport(report)
  const expected = parseExpected('## Not there.\ntest_listed\ntest_mended\ntest_gone\n')

  it('is read from its report, where an error of the cleanup counts as well', () => {
    assert.deepEqual(Object.fromEntries(outcomes), {
      test_passes: 'passed',
      test_listed: 'failed',
      'test_broken[a-1]': 'failed',
      test_skipped: 'skipped',
      test_mended: 'passed',
      test_twice: 'failed',
    })
  })

  it('is compared with the list: what fails without a reason, what passes with one, what is no test', () => {
    const { failedAsListed, ...rest } = compare(outcomes, expected, { whole: true })
    assert.deepEqual([...failedAsListed], [['Not there.', ['test_listed']]])
    assert.deepEqual(rest, {
      passed: 2,
      skipped: 1,
      failedUnlisted: ['test_broken[a-1]', 'test_twice'],
      passedListed: ['test_mended'],
      unknown: ['test_gone'],
    })
    assert.deepEqual(compare(outcomes, expected, { whole: false }).unknown, [])
  })

  it('differs from the reference by what only that passes', () => {
    const reference = readReport(
      report.replaceAll(/<(failure|error|skipped)[^>]*(\/>|>text<\/failure>)/g, ''),
    )
    assert.deepEqual(difference(outcomes, reference, expected), {
      passed: 6,
      listed: new Map([['Not there.', ['test_listed']]]),
      unlisted: ['test_broken[a-1]', 'test_skipped', 'test_twice'],
      passedMarked: [],
      failedUnmarked: [],
    })
    const marked = parseExpected('## Not there.\ntest_listed (nor Ceph)\n')
    assert.deepEqual(difference(outcomes, reference, marked).passedMarked, ['test_listed'])
    const failing = new Map([...reference, ['test_listed', 'failed']] as const)
    assert.deepEqual(difference(outcomes, failing, expected).failedUnmarked, ['test_listed'])
    assert.deepEqual(difference(outcomes, failing, marked).failedUnmarked, [])
  })

  it('has a configuration with every section that the suite insists on', () => {
    const users = sameUser({ accessKeyId: 'id', secretAccessKey: 'secret' })
    const kmsKeyIds = ['local:key', 'local:other'] as const
    const text = configurationOf({ endpoint: 'http://127.0.0.1:9000', users, kmsKeyIds })
    for (const section of [
      'DEFAULT',
      'fixtures',
      's3 main',
      's3 alt',
      's3 tenant',
      'iam',
      'iam root',
      'iam alt root',
    ])
      assert.ok(text.includes(`[${section}]\n`), section)
    assert.match(text, /^host = 127.0.0.1\nport = 9000\nis_secure = false$/m)
    assert.equal([...text.matchAll(/^kms_keyid = local:key$/gm)].length, 6)
    assert.match(
      configurationOf({ endpoint: 'https://s3.test', users, kmsKeyIds, lifecycleDaySeconds: 10 }),
      /^port = 443\nis_secure = true$/m,
    )
  })
})
