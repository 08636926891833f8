import { clientAttributes } from '../recovery/describe.ts'
import type { Reading } from '../recovery/reading.ts'
import type { RecoveryError } from '../recovery/recovery-error.ts'
import { shown } from '../recovery/shown.ts'
import type { Task } from './decrypt-tree.ts'
import { formatBytes } from './progress.ts'

/** Failures beyond these are counted only, unless the report is JSON. */
const MAX_SHOWN = 100

/** What became of the objects: lines for people, or one JSON object a line. */
export class TreeReport {
  readonly #json: boolean
  #objects = 0
  #bytes = 0
  #present = 0
  #renamed = 0
  #gone = 0
  failed = 0

  constructor(json: boolean) {
    this.#json = json
  }

  get counted(): number {
    return this.#objects + this.#present + this.#gone + this.failed
  }

  counts(): string {
    const failures = this.failed === 0 ? '' : `, ${this.failed} failed`
    return `${this.#objects + this.#present} objects${failures}`
  }

  written(task: Task, { object, size }: Reading): void {
    this.#objects += 1
    this.#bytes += size
    this.#line(task, { outcome: 'written', size, metadata: object.metadata, ...clientAttributes(object) })
    if (!task.place.renamed) return
    this.#renamed += 1
    if (!this.#json && this.#renamed <= MAX_SHOWN)
      console.log(`under another name: ${shown(nameOf(task))} as ${shown(task.place.path)}`)
  }

  present(task: Task): void {
    this.#present += 1
    this.#line(task, { outcome: 'present', size: task.size })
  }

  /** Deleted since it was listed. */
  gone(task: Task): void {
    this.#gone += 1
    this.#line(task, { outcome: 'gone' })
  }

  failure(task: Task, { finding, message }: RecoveryError, say: (line: string) => void): void {
    this.failed += 1
    this.#line(task, { outcome: 'failed', finding, message })
    if (!this.#json && this.failed <= MAX_SHOWN) say(`failed: ${message}`)
  }

  summary(source: string, output: string): void {
    const [written, bytes, present] = [this.#objects, this.#bytes, this.#present]
    const [gone, failed] = [this.#gone, this.failed]
    if (this.#json) {
      console.log(JSON.stringify({ summary: { source, output, written, bytes, present, gone, failed } }))
      return
    }
    const more = failed > MAX_SHOWN ? `, of which ${failed - MAX_SHOWN} are not shown (--json has all)` : ''
    console.log(
      `${source}: ${written} objects (${formatBytes(bytes)}) decrypted and verified, ${present} there already, ${gone === 0 ? '' : `${gone} deleted meanwhile, `}${failed} failed${more}`,
    )
  }

  #line({ bucket, key, place }: Task, rest: object): void {
    if (this.#json) console.log(JSON.stringify({ bucket, key, path: place.path, ...rest }))
  }
}

function nameOf({ bucket, key }: Task): string {
  return `s3://${bucket}/${key}`
}
