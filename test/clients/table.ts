/** The table of docs/compatibility.md, made of the results of the lanes; run as a program it writes it there. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PAGE = join(import.meta.dirname, '../../docs/compatibility.md')
const BEGIN = '<!-- clients: written by test/clients/table.ts -->'
const END = '<!-- /clients -->'

/** Stores by the names of their results, as readers know them. */
const STORES = { fs: 'fs', minio: 'MinIO', ceph: 'Ceph', versitygw: 'Versity' } as const
/** In the order of COLUMNS in client.py. */
const COLUMNS = {
  small: 'small PUT, GET',
  empty: '0 bytes',
  multipart: 'multipart',
  resume: 'resume, ListParts',
  range: 'Range',
  list: 'LIST, sync',
  copy: 'copy, rename',
  delete: 'bulk delete',
  conditional: 'conditional',
  checksum: 'checksum',
  special: 'special',
} as const

type Store = keyof typeof STORES
type Column = keyof typeof COLUMNS
type Outcome = 'ok' | 'FAILED' | { readonly differs: string }

/** What one client did over one store. */
export interface Result {
  readonly client: string
  readonly version?: string
  /** Why it cannot be had. */
  readonly unavailable?: string
  readonly cells?: Readonly<Partial<Record<Column, Outcome>>>
}

export type Results = ReadonlyMap<Store, readonly Result[]>

export function readResults(): Results {
  const results = new Map<Store, Result[]>()
  for (const store of Object.keys(STORES) as Store[]) {
    const file = join(import.meta.dirname, 'results', `${store}.json`)
    if (existsSync(file)) results.set(store, JSON.parse(readFileSync(file, 'utf8')) as Result[])
  }
  return results
}

/** One row a client; what differs, or cannot be had, is a numbered note under the table. */
export function tableOf(results: Results): string {
  const notes = new Notes()
  const names = new Set([...results.values()].flat().map(({ client }) => client))
  const rows = [...names]
    .sort((a, b) => a.localeCompare(b, 'en'))
    .map((name) => {
      const own = new Map<Store, Result>()
      for (const [store, list] of results) {
        const found = list.find(({ client }) => client === name)
        if (found !== undefined) own.set(store, found)
      }
      const cells = (Object.keys(COLUMNS) as Column[]).map((column) => cell(column, own, notes))
      return [label(name, own, [...results.keys()], notes), ...cells]
    })
  const lines = [
    ['Client', ...Object.values(COLUMNS)],
    ['---', ...Object.values(COLUMNS).map(() => '---')],
    ...rows,
  ]
  return [
    `Over ${namesOf([...results.keys()])}. ✓: passed over each of them. [n]: differs as note n says, which was asserted too. –: not used by this client.`,
    '',
    ...lines.map((line) => `| ${line.join(' | ')} |`),
    '',
    ...notes.lines(),
    '',
  ].join('\n')
}

/** What the page has between its marks. */
export function tableInPage(page = readFileSync(PAGE, 'utf8')): string {
  const [, rest] = page.split(`${BEGIN}\n`)
  const [table, after] = rest?.split(END) ?? []
  if (table === undefined || after === undefined)
    throw new TypeError(`expected ${BEGIN} and ${END} in docs/compatibility.md`)
  return table
}

/** The cells that failed, which no committed result may have. */
export function failures(results: Results): string[] {
  return [...results].flatMap(([store, list]) =>
    list.flatMap(({ client, cells = {} }) =>
      Object.entries(cells).flatMap(([column, outcome]) =>
        outcome === 'FAILED' ? [`${store}: ${client}, ${column}`] : [],
      ),
    ),
  )
}

class Notes {
  readonly #texts: string[] = []

  /** The mark of a note, in square brackets. */
  mark(text: string): string {
    if (!this.#texts.includes(text)) this.#texts.push(text)
    return `[${this.#texts.indexOf(text) + 1}]`
  }

  lines(): string[] {
    return this.#texts.map((text, index) => `${index + 1}. ${text}`)
  }
}

function label(name: string, own: ReadonlyMap<Store, Result>, all: readonly Store[], notes: Notes): string {
  const versions = new Set([...own.values()].flatMap(({ version }) => version ?? []))
  const marks = []
  const absent = all.filter((store) => !own.has(store))
  if (absent.length > 0) marks.push(notes.mark(`Not run over ${namesOf(absent)}.`))
  for (const { unavailable } of own.values())
    if (unavailable !== undefined) marks.push(notes.mark(`Could not be run: ${unavailable}`))
  return [name, [...versions].join(', '), ...new Set(marks)].filter((part) => part !== '').join(' ')
}

function cell(column: Column, own: ReadonlyMap<Store, Result>, notes: Notes): string {
  const passed: Store[] = []
  const differing = new Map<string, Store[]>()
  for (const [store, { cells }] of own) {
    const outcome = cells?.[column]
    if (outcome === 'ok') passed.push(store)
    else if (outcome !== undefined) {
      const reason = outcome === 'FAILED' ? 'FAILED' : outcome.differs
      differing.set(reason, [...(differing.get(reason) ?? []), store])
    }
  }
  if (passed.length === 0 && differing.size === 0) return '–'
  const parts = passed.length === 0 ? [] : [passed.length === own.size ? '✓' : `✓ ${namesOf(passed)}`]
  for (const [reason, stores] of differing) {
    const where = stores.length === own.size ? '' : `Over ${namesOf(stores)}: `
    parts.push(notes.mark(where + (where === '' ? capitalised(reason) : reason)))
  }
  return parts.join(' ')
}

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1)
}

function namesOf(stores: readonly Store[]): string {
  return stores.map((store) => STORES[store]).join(', ')
}

if (import.meta.main) {
  const page = readFileSync(PAGE, 'utf8')
  const before = `${BEGIN}\n${tableInPage(page)}`
  writeFileSync(
    PAGE,
    page.replace(before, () => `${BEGIN}\n${tableOf(readResults())}`),
  )
}
