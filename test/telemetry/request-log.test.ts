import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SealgateError } from '../../src/errors.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { type LoggedRequest, logRequest } from '../../src/telemetry/request-log.ts'

function logged(outcome: Partial<LoggedRequest> & { status: number }, level = 'info') {
  const lines: string[] = []
  logRequest(createLog(level, { write: (line) => lines.push(line) }), { durationMs: 1.23456, ...outcome })
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}
const [INFO, WARN, ERROR] = [30, 40, 50]

describe('the log of a request', () => {
  it('is one line of information, with a duration that can be read', () => {
    const [line] = logged({ status: 200 })
    assert.deepEqual([line?.['level'], line?.['status'], line?.['durationMs']], [INFO, 200, 1.23])
    assert.deepEqual(logged({ status: 404, error: 'NoSuchKey' }, 'warn'), [])
  })

  it('is an error when the body broke at a forged segment, although the status was sent as 200', () => {
    const outcome = { status: 200, error: 'ObjectIntegrityError', reason: 'segment: tag' }
    const [line] = logged(outcome, 'warn')
    assert.deepEqual([line?.['level'], line?.['reason']], [ERROR, 'segment: tag'])
  })

  it('is an error, with its cause, when the fault is ours', () => {
    const [line] = logged({ status: 500, error: 'InternalError', cause: new Error('of the disk') }, 'warn')
    assert.equal(line?.['level'], ERROR)
    assert.match(JSON.stringify(line?.['err']), /of the disk/)
  })

  it('is no fault when an operation is not there', () => {
    assert.deepEqual(logged({ status: 501, error: 'NotImplemented' }, 'warn'), [])
  })

  it('is a warning when the key service refuses, and none when the client named a key that is not there', () => {
    const { kind } = new SealgateError('KMS.DisabledException')
    assert.equal(logged({ status: 400, error: kind, reason: 'KMS: Disabled' }, 'warn')[0]?.['level'], WARN)
    assert.deepEqual(logged({ status: 400, error: 'KMS.NotFoundException' }, 'warn'), [])
  })
})
