import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compare, difference } from './compare.ts'
import { configurationOf } from './configuration.ts'
import { parseExpected, readExpected } from './expected.ts'
import { readReport } from './suite.ts'

describe('the list of tests that are known not to pass', () => {
  it('gives each one a reason', () => {
    const expected = readExpected()
    assert.ok(expected.size > 100)
    for (const [name, reason] of expected) {
      assert.match(name, /^test_[a-z0-9_]+(\[.+\])?$/i)
      assert.match(reason, /^[A-Z].*\.$/, name)
    }
  })

  it('is refused where a name has no reason, or two', () => {
    assert.throws(() => parseExpected('test_a\n'), /no reason/)
    assert.throws(() => parseExpected('## One.\ntest_a\n## Two.\ntest_a\n'), /twice/)
    const parsed = parseExpected('# Comment\n\n## One.\ntest_a\n\n## Two.\n  test_b  \n')
    assert.deepEqual(
      [...parsed],
      [
        ['test_a', 'One.'],
        ['test_b', 'Two.'],
      ],
    )
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
    assert.deepEqual(difference(outcomes, reference, expected), [
      { name: 'test_listed', reason: 'Not there.' },
      { name: 'test_broken[a-1]', reason: undefined },
      { name: 'test_skipped', reason: undefined },
      { name: 'test_twice', reason: undefined },
    ])
  })

  it('has a configuration with every section that the suite insists on', () => {
    const text = configurationOf({
      endpoint: 'http://127.0.0.1:9000',
      accessKeyId: 'id',
      secretAccessKey: 'secret',
      cmkId: 'local:key',
    })
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
      configurationOf({ endpoint: 'https://s3.test', accessKeyId: '', secretAccessKey: '', cmkId: '' }),
      /^port = 443\nis_secure = true$/m,
    )
  })
})
