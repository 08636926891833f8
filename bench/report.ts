/** From samples to figures: ratios within a round, then their middle and ends over the rounds. */
import type { Sample } from './generator.ts'

export interface Row {
  readonly cell: string
  readonly group: string
  readonly bytes: number
  readonly connections: number
  /** By the name of the target, in the order of the rounds. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** A body of a mebibyte and more is counted by bytes, since few of them end within a round. */
const BY_BYTES = 1024 * 1024

/** CPU seconds per GB, or per 1000 requests. */
export function cpuCost(row: Row, sample: Sample): number {
  return row.bytes >= BY_BYTES
    ? sample.cpuSeconds / (sample.bytes / 1e9)
    : (sample.cpuSeconds / sample.requests) * 1000
}

export function speed(row: Row, sample: Sample): number {
  return row.bytes >= BY_BYTES ? sample.bytes / 1e6 / sample.seconds : sample.requests / sample.seconds
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const [min = Number.NaN, max = Number.NaN] = [sorted[0], sorted.at(-1)]
  return { min, median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, max }
}

/** Gateway by bare proxy, round by round. */
export function ratios(row: Row, figure: (row: Row, sample: Sample) => number): Spread {
  const [gateway = [], bare = []] = [row.samples['gateway'], row.samples['bare']]
  return spread(gateway.map((sample, round) => figure(row, sample) / figure(row, bare[round] as Sample)))
}

function medianOf(row: Row, target: string, figure: (row: Row, sample: Sample) => number): number {
  return spread((row.samples[target] ?? []).map((sample) => figure(row, sample))).median
}

const HEAD = `| cell | CPU, gateway ÷ bare | gateway | bare | speed, gateway ÷ bare | gateway | bare | generator alone | p50, p99, p99.9 of gateway, ms | of bare | peak MiB |
|---|---|---|---|---|---|---|---|---|---|---|
`

export function tableOf(rows: readonly Row[], withHead = true): string {
  return (withHead ? HEAD : '') + rows.map((row) => `| ${cellsOf(row).join(' | ')} |\n`).join('')
}

function cellsOf(row: Row): string[] {
  const unit = row.bytes >= BY_BYTES ? ['s/GB', 'MB/s'] : ['s/1000', '/s']
  const peak = Math.max(...(row.samples['gateway'] ?? []).map(({ peakBytes }) => peakBytes)) / 2 ** 20
  return [
    row.cell,
    shown(ratios(row, cpuCost)),
    `${medianOf(row, 'gateway', cpuCost).toFixed(2)} ${unit[0]}`,
    medianOf(row, 'bare', cpuCost).toFixed(2),
    shown(ratios(row, speed)),
    `${Math.round(medianOf(row, 'gateway', speed))} ${unit[1]}`,
    String(Math.round(medianOf(row, 'bare', speed))),
    String(Math.round(medianOf(row, 'store', speed))),
    latencies(row, 'gateway'),
    latencies(row, 'bare'),
    String(Math.round(peak)),
  ]
}

function shown({ min, median, max }: Spread): string {
  return `**${median.toFixed(2)}** (${min.toFixed(2)} – ${max.toFixed(2)})`
}

function latencies(row: Row, target: string): string {
  const of = (name: 'p50' | 'p99' | 'p999') =>
    medianOf(row, target, (_, { latency }) => latency?.[name] ?? Number.NaN).toFixed(2)
  return `${of('p50')}, ${of('p99')}, ${of('p999')}`
}
