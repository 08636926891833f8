import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { failures, type Results, readResults, tableInPage, tableOf } from '../clients/table.ts'

describe('the table of clients', () => {
  it('is what the results of the lanes say', () => {
    assert.equal(tableInPage(), tableOf(readResults()))
  })

  it('has no failure, and a client over every store that is in it', () => {
    assert.deepEqual(failures(readResults()), [])
    for (const [store, results] of readResults())
      assert.ok(
        results.some(({ cells }) => Object.values(cells ?? {}).includes('ok')),
        store,
      )
  })

  it('has the columns of the lane, in its order', () => {
    const lane = readFileSync(join(import.meta.dirname, '../clients/client.py'), 'utf8')
    const columns = [...lane.matchAll(/^ {4}"\w+": "([^"]+)",$/gm)].map(([, title]) => title)
    assert.deepEqual(headOf(tableOf(readResults())), ['Client', ...columns])
  })

  it('says of a cell where it passed, and of what differs why', () => {
    const results: Results = new Map([
      ['fs', [{ client: 'a', version: '1', cells: { small: 'ok', copy: 'ok' } }]],
      ['ceph', [{ client: 'a', version: '2', cells: { small: 'ok', copy: { differs: 'it cannot.' } } }]],
      ['minio', [{ client: 'b', unavailable: 'no such package.' }]],
    ])
    const lines = tableOf(results).split('\n')
    assert.equal(lines[4], '| a 1, 2 [2] | ✓ | – | – | – | – | – | ✓ fs [1] | – | – | – | – |')
    assert.ok(lines.includes('1. Over Ceph: it cannot.'))
    assert.ok(lines.includes('2. Not run over MinIO.'))
    assert.ok(lines.includes('4. Could not be run: no such package.'))
  })
})

function headOf(table: string): string[] {
  const head = table.split('\n').find((line) => line.startsWith('| Client'))
  return head?.slice(2, -2).split(' | ') ?? []
}
