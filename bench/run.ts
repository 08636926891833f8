/**
 * `npm run bench`: the gateway against a bare proxy on the same machine in the same run, interleaved. `--quick` for the cells that matter
 * most; `--only TEXT` for cells whose names have it; `--rounds N`; `--seconds S` of each round; `--json FILE`; `--other NAME=PORT` for any
 * other gateway that runs already, with the keys of bench-keys.ts, before whatever store.
 */
import { fork } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CELLS, type Cell } from './cells.ts'
import type { Order, Sample } from './generator.ts'
import { type Row, tableOf } from './report.ts'
import { startBareProxy, startGateway, startMemoryStore, type Target } from './targets.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    json: { type: 'string' },
    workers: { type: 'string', default: '1' },
    fs: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 3 : 5))
const seconds = Number(options.seconds ?? (options.quick ? 0.8 : 2))
const chosen = CELLS.filter(
  (cell) =>
    (!options.quick || cell.quick) && (options.only === undefined || cell.name.includes(options.only)),
)

/** What is measured has the first core, the generator and the store share the second. */
const MEASURED = 0
const OTHERS = 1

const generator = fork(join(import.meta.dirname, 'generator.ts'), [], {
  execPath: 'taskset',
  execArgv: ['-c', String(OTHERS), process.execPath],
})

function order(message: Order): Promise<Sample> {
  return new Promise((resolve, reject) => {
    generator.once('message', (answer: { result?: Sample; error?: string }) => {
      if (answer.error === undefined) resolve(answer.result as Sample)
      else reject(new Error(answer.error))
    })
    generator.send(message)
  })
}

const store = await startMemoryStore({ core: OTHERS })
const targets: Target[] = [
  store,
  await startBareProxy(store, { core: MEASURED }),
  await startGateway({ store, core: MEASURED, workers: Number(options.workers) }),
]
const rows: Row[] = []
try {
  for (const cell of chosen) {
    const row = await measured(cell)
    rows.push(row)
    process.stdout.write(tableOf([row], rows.length === 1))
  }
} finally {
  generator.kill()
  for (const target of targets.reverse()) await target.stop()
}
const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version }
if (options.json !== undefined)
  await writeFile(options.json, `${JSON.stringify({ machine, rounds, seconds, rows }, null, 1)}\n`)

/** Each round has all targets, in another order each time. */
async function measured(cell: Cell): Promise<Row> {
  const samples: Record<string, Sample[]> = {}
  for (const { port } of targets) await order({ kind: 'prepare', cell: cell.name, port })
  // Once for nothing: compiles what the cell needs.
  for (const { port, pids } of targets)
    await order({ kind: 'measure', cell: cell.name, port, seconds: seconds / 2, pids: pids() })
  for (let round = 0; round < rounds; round++)
    for (let n = 0; n < targets.length; n++) {
      const target = targets[(round + n) % targets.length] as Target
      const { name, port } = target
      const sample = await order({ kind: 'measure', cell: cell.name, port, seconds, pids: target.pids() })
      samples[name] = [...(samples[name] ?? []), sample]
    }
  return { cell: cell.name, group: cell.group, bytes: cell.bytes, connections: cell.connections, samples }
}
