/**
 * Makes the load, in a process of its own on a core of its own. Told by messages of its parent what to do: `prepare` puts there what a
 * cell reads, `measure` runs it for a while. Every answer must be a success of the right length.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BUCKET, CELLS, type Cell, LIST_BUCKET, type NeededObject } from './cells.ts'
import { cpuSeconds, peakBytes, resetPeak } from './process-stats.ts'
import { type RequestPlan, signedRequest } from './requests.ts'
import { type Exchange, WireClient } from './wire-client.ts'

export type Order =
  | { readonly kind: 'prepare'; readonly cell: string; readonly port: number }
  | {
      readonly kind: 'measure'
      readonly cell: string
      readonly port: number
      readonly seconds: number
      /** Of the processes under measurement. */
      readonly pids: readonly number[]
    }

/** Of one target, in one round of one cell. */
export interface Sample {
  readonly requests: number
  /** Of bodies. */
  readonly bytes: number
  readonly seconds: number
  readonly cpuSeconds: number
  /** Share of its core that the generator used itself. */
  readonly generatorLoad: number
  readonly peakBytes: number
  /** Milliseconds; none where no request ended within the time. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly p999: number } | null
}

const prepared = new Set<string>()

process.on('message', (order: Order) => {
  const done = order.kind === 'prepare' ? prepare(order) : measure(order)
  done.then(
    (result) => process.send?.({ result: result ?? null }),
    (error: unknown) =>
      process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})

function cellOf(name: string): Cell {
  const cell = CELLS.find((candidate) => candidate.name === name)
  if (cell === undefined) throw new RangeError(`there is no cell ${name}`)
  return cell
}

async function prepare({ cell, port }: Order): Promise<void> {
  const client = await WireClient.open(port, false)
  const once = async (name: string, work: () => Promise<unknown>) => {
    if (prepared.has(`${port} ${name}`)) return
    await work()
    prepared.add(`${port} ${name}`)
  }
  await once(BUCKET, () => ask(client, port, { method: 'PUT', bucket: BUCKET, size: 0 }))
  await once(LIST_BUCKET, () => fillNames(client, port))
  for (const object of cellOf(cell).needs) await once(object.key, () => putNeeded(client, port, object))
  client.close()
}

async function ask(client: WireClient, port: number, plan: RequestPlan): Promise<void> {
  succeeded(await client.exchange(signedRequest(plan, port)), client)
}

function succeeded({ status }: { readonly status: number }, client: WireClient): void {
  if (status >= 300) throw new Error(`answered ${status} ${client.document}`)
}

async function fillNames(client: WireClient, port: number): Promise<void> {
  await ask(client, port, { method: 'PUT', bucket: LIST_BUCKET, size: 0 })
  for (let n = 0; n < 1000; n++) {
    const key = `a/folder/and-a-file-of-usual-length-${String(n).padStart(6, '0')}.bin`
    await ask(client, port, { method: 'PUT', bucket: LIST_BUCKET, key, size: 100 })
  }
}

async function putNeeded(
  client: WireClient,
  port: number,
  { key, size, parts }: NeededObject,
): Promise<void> {
  const object = { bucket: BUCKET, key }
  if (parts === undefined) return ask(client, port, { method: 'PUT', ...object, size })
  await uploadByParts({ client, port, ...object, partBytes: size / parts, parts })
}

export interface UploadPlan {
  readonly client: WireClient
  readonly port: number
  readonly bucket: string
  readonly key: string
  readonly partBytes: number
  readonly parts: number
}

async function uploadByParts({ client, port, bucket, key, partBytes, parts }: UploadPlan): Promise<void> {
  const object = { bucket, key }
  const begun = await document(client, port, { method: 'POST', ...object, query: { uploads: '' }, size: 0 })
  const uploadId = /<UploadId>([^<]+)</.exec(begun.body)?.[1] ?? ''
  const etags: string[] = []
  for (let n = 1; n <= parts; n++) {
    const query = { uploadId, partNumber: String(n) }
    const part = await document(client, port, { method: 'PUT', ...object, query, size: partBytes })
    etags.push(/\r\netag: *([^\r\n]+)/i.exec(part.head)?.[1] ?? '')
  }
  const named = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
  const xml = Buffer.from(`<CompleteMultipartUpload>${named.join('')}</CompleteMultipartUpload>`)
  await document(client, port, { method: 'POST', ...object, query: { uploadId }, document: xml })
}

async function document(client: WireClient, port: number, plan: RequestPlan) {
  const answered = await client.exchange(signedRequest(plan, port))
  succeeded(answered, client)
  return { head: client.head, body: client.document }
}

async function measure(order: Order): Promise<Sample> {
  if (order.kind !== 'measure') throw new TypeError('not an order to measure')
  const cell = cellOf(order.cell)
  const load = new Load(cell, order.port)
  await load.open()
  const running = load.run()
  // Connections open, code compiled, keys there.
  await sleep(Math.min(500, order.seconds * 300))
  resetPeak(order.pids)
  const before = { cpu: cpuSeconds(order.pids), own: process.cpuUsage(), at: performance.now() }
  load.startCounting()
  await sleep(order.seconds * 1000)
  const seconds = (performance.now() - before.at) / 1000
  const { requests, bytes, latencies } = load.stop()
  const cpu = cpuSeconds(order.pids) - before.cpu
  const own = process.cpuUsage(before.own)
  await running
  return {
    requests,
    bytes,
    seconds,
    cpuSeconds: cpu,
    generatorLoad: (own.user + own.system) / 1e6 / seconds,
    peakBytes: peakBytes(order.pids),
    latency: percentiles(latencies),
  }
}

/** As many clients as the cell has connections, each with one request under way. */
class Load {
  readonly #cell: Cell
  readonly #port: number
  readonly #requests: readonly Exchange[]
  #clients: WireClient[] = []
  #next = 0
  #isOver = false
  #counts: { requests: number; bytes: number; latencies: number[] } | null = null

  constructor(cell: Cell, port: number) {
    this.#cell = cell
    this.#port = port
    this.#requests = Array.from({ length: 256 }, (_, n) => signedRequest(cell.plan(n), port))
  }

  async open(): Promise<void> {
    const isHead = this.#cell.group === 'head'
    const opened = Array.from({ length: this.#cell.connections }, () => WireClient.open(this.#port, isHead))
    this.#clients = await Promise.all(opened)
    for (const client of this.#clients)
      client.onBytes = (bytes) => {
        if (this.#counts !== null) this.#counts.bytes += bytes
      }
  }

  async run(): Promise<void> {
    await Promise.all(this.#clients.map((client) => this.#work(client)))
  }

  startCounting(): void {
    this.#counts = { requests: 0, bytes: 0, latencies: [] }
  }

  stop() {
    const counts = this.#counts ?? { requests: 0, bytes: 0, latencies: [] }
    this.#counts = null
    this.#isOver = true
    for (const client of this.#clients) client.close()
    return counts
  }

  async #work(client: WireClient): Promise<void> {
    while (!this.#isOver) {
      const began = performance.now()
      try {
        await this.#one(client, this.#next++)
      } catch (error) {
        if (this.#isOver) return
        throw error
      }
      const counts = this.#counts
      if (counts === null) continue
      counts.requests++
      counts.latencies.push(performance.now() - began)
    }
  }

  async #one(client: WireClient, n: number): Promise<void> {
    const { upload, plan } = this.#cell
    const { bucket, key = '' } = plan(n)
    if (upload !== undefined) return uploadByParts({ client, port: this.#port, bucket, key, ...upload })
    succeeded(await client.exchange(this.#requests[n % this.#requests.length] as Exchange), client)
  }
}

function percentiles(latencies: number[]): Sample['latency'] {
  if (latencies.length === 0) return null
  const sorted = Float64Array.from(latencies).sort()
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}
