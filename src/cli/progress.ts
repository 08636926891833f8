/** Where a bar is drawn, and how wide it may be. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface ProgressOptions {
  /** What is going on, such as the name of a file. */
  readonly label: string
  readonly unit: 'bytes' | 'objects'
  /** Left out while it is not known; the bar then only counts. */
  readonly total?: number | undefined
  readonly terminal?: Terminal
  readonly now?: () => number
}

const REDRAW_MS = 100
const BAR_CELLS = 24
/** Rates of the last moments say more than those since the start. */
const RATE_WINDOW_MS = 5000

/** A bar on standard error while something takes long; nothing at all where that is not a terminal. */
export class Progress {
  readonly #o: ProgressOptions
  readonly #terminal: Terminal
  readonly #now: () => number
  readonly #samples: { at: number; done: number }[]
  #done = 0
  #total: number | undefined
  #note = ''
  #drawnAt = Number.NEGATIVE_INFINITY
  #drawn = false

  constructor(options: ProgressOptions) {
    this.#o = options
    this.#terminal = options.terminal ?? process.stderr
    this.#now = options.now ?? Date.now
    this.#total = options.total
    this.#samples = [{ at: this.#now(), done: 0 }]
  }

  set total(total: number) {
    this.#total = total
    this.#draw()
  }

  /** Shown behind the figures, such as `12 of 40 objects`. */
  set note(text: string) {
    this.#note = text
  }

  advance(by: number): void {
    this.#done += by
    this.#draw()
  }

  /** A line above the bar, which stays; without a terminal it is printed all the same. */
  say(line: string): void {
    this.#clear()
    this.#terminal.write(`${line}\n`)
    this.#draw()
  }

  /** Takes the bar away. */
  end(): void {
    this.#clear()
  }

  #draw(): void {
    if (this.#terminal.isTTY !== true) return
    const now = this.#now()
    if (now - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = now
    this.#samples.push({ at: now, done: this.#done })
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? 0) > RATE_WINDOW_MS)
      this.#samples.shift()
    this.#terminal.write(`\r\x1b[K${this.#line()}`)
    this.#drawn = true
  }

  #clear(): void {
    if (this.#drawn) this.#terminal.write('\r\x1b[K')
    this.#drawn = false
    this.#drawnAt = Number.NEGATIVE_INFINITY
  }

  #line(): string {
    const figures = [this.#counted(), this.#rate(), this.#left(), this.#note].filter((text) => text !== '')
    const bar = this.#total === undefined ? '' : ` ${this.#bar(this.#total)}`
    const rest = `${bar}  ${figures.join('  ')}`
    const room = (this.#terminal.columns ?? 80) - 1 - rest.length
    if (room < 1) return rest.trimStart().slice(0, (this.#terminal.columns ?? 80) - 1)
    const { label } = this.#o
    return `${label.length <= room ? label : `…${label.slice(label.length - room + 1)}`}${rest}`
  }

  #bar(total: number): string {
    const share = total === 0 ? 1 : Math.min(1, this.#done / total)
    const full = Math.floor(share * BAR_CELLS)
    return `[${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)}] ${String(Math.floor(share * 100)).padStart(3)}%`
  }

  #counted(): string {
    const { unit } = this.#o
    if (unit === 'objects')
      return this.#total === undefined ? `${this.#done} objects` : `${this.#done}/${this.#total}`
    return this.#total === undefined
      ? formatBytes(this.#done)
      : `${formatBytes(this.#done)} of ${formatBytes(this.#total)}`
  }

  #perSecond(): number {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at === first.at) return 0
    return ((last.done - first.done) / (last.at - first.at)) * 1000
  }

  #rate(): string {
    const rate = this.#perSecond()
    if (rate <= 0) return ''
    return this.#o.unit === 'bytes'
      ? `${formatBytes(rate)}/s`
      : `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`
  }

  #left(): string {
    const rate = this.#perSecond()
    if (this.#total === undefined || rate <= 0) return ''
    const seconds = Math.ceil(Math.max(0, this.#total - this.#done) / rate)
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
    const two = (n: number): string => String(n).padStart(2, '0')
    return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)} left`
  }
}

/** `1.5 GiB`, for people; the exact figure stands elsewhere. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  const value = bytes / 1024 ** power
  if (power === 0) return `${Math.round(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`
}
