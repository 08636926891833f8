/** What is measured: kind of request, size and connections. */
import type { BodyFraming, RequestPlan } from './requests.ts'

export interface Cell {
  readonly name: string
  readonly group: 'put' | 'get' | 'head' | 'list' | 'range' | 'multipart' | 'mixed' | 'framing'
  /** Bytes of one request's body, one way or the other; 0 if it is the request that counts. */
  readonly bytes: number
  readonly connections: number
  /** The n-th request. */
  readonly plan: (n: number) => RequestPlan
  /** Instead: an upload by parts, each time. */
  readonly upload?: { readonly partBytes: number; readonly parts: number }
  /** Objects that must be there. */
  readonly needs: readonly NeededObject[]
  /** Among those that matter most. */
  readonly quick: boolean
}

export interface NeededObject {
  readonly key: string
  readonly size: number
  readonly parts?: number
}

export const BUCKET = 'bench-objects'
/** Of 1000 names, for lists. */
export const LIST_BUCKET = 'bench-names'
const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const SIZES = [KIB, 4 * KIB, 64 * KIB, MIB, 8 * MIB, GIB]
const CONNECTIONS = [1, 16, 64]
/** So many names take turns. */
const NAMES = 64

export function sizeName(bytes: number): string {
  if (bytes >= GIB) return `${bytes / GIB} GiB`
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`
}

/** Few enough to lie in memory: the largest is read over and over. */
function namesOf(size: number): number {
  return size >= GIB ? 1 : size >= MIB ? 4 : NAMES
}

function stored(size: number): readonly NeededObject[] {
  return Array.from({ length: namesOf(size) }, (_, n) => ({ key: `get/${size}/${n}`, size }))
}

function put(size: number, connections: number, framing: BodyFraming = 'unsigned'): Cell {
  const plan = (n: number): RequestPlan => ({
    method: 'PUT',
    bucket: BUCKET,
    key: `put/${size}/${n % NAMES}`,
    size,
    framing,
  })
  const group = framing === 'unsigned' ? 'put' : 'framing'
  const name = `PUT ${sizeName(size)}${group === 'put' ? '' : ` ${framing}`} × ${connections}`
  return {
    name,
    group,
    bytes: size,
    connections,
    plan,
    needs: [],
    quick: isQuick(size, connections) && group === 'put',
  }
}

function get(size: number, connections: number): Cell {
  const needs = stored(size)
  const plan = (n: number): RequestPlan => ({
    method: 'GET',
    bucket: BUCKET,
    key: needs[n % needs.length]?.key ?? '',
  })
  const name = `GET ${sizeName(size)} × ${connections}`
  return { name, group: 'get', bytes: size, connections, plan, needs, quick: isQuick(size, connections) }
}

function head(connections: number): Cell {
  const needs = stored(4 * KIB)
  const plan = (n: number): RequestPlan => ({
    method: 'HEAD',
    bucket: BUCKET,
    key: needs[n % needs.length]?.key ?? '',
  })
  return {
    name: `HEAD × ${connections}`,
    group: 'head',
    bytes: 0,
    connections,
    plan,
    needs,
    quick: connections === 16,
  }
}

function list(connections: number): Cell {
  const plan = (): RequestPlan => ({
    method: 'GET',
    bucket: LIST_BUCKET,
    query: { 'list-type': '2', 'encoding-type': 'url' },
  })
  const name = `LIST 1000 × ${connections}`
  return { name, group: 'list', bytes: 0, connections, plan, needs: [], quick: connections === 1 }
}

/** A mebibyte out of a gibibyte, anywhere. */
function range(parts: number | undefined, connections: number): Cell {
  const key = parts === undefined ? `get/${GIB}/0` : `parts/${GIB}`
  const needs = [{ key, size: GIB, ...(parts === undefined ? {} : { parts }) }]
  const plan = (n: number): RequestPlan => {
    const start = (n * 7_919_011) % (GIB - MIB)
    return { method: 'GET', bucket: BUCKET, key, headers: { range: `bytes=${start}-${start + MIB - 1}` } }
  }
  const name = `GET 1 MiB of 1 GiB${parts === undefined ? '' : ` in ${parts} parts`} × ${connections}`
  return { name, group: 'range', bytes: MIB, connections, plan, needs, quick: false }
}

function mixed(size: number, connections: number): Cell {
  const [reads, writes] = [get(size, connections), put(size, connections)]
  const plan = (n: number): RequestPlan => (n % 2 === 0 ? reads : writes).plan(n >> 1)
  const name = `GET and PUT ${sizeName(size)} × ${connections}`
  return { name, group: 'mixed', bytes: size, connections, plan, needs: reads.needs, quick: false }
}

function isQuick(size: number, connections: number): boolean {
  return (size === 4 * KIB && connections !== 64) || (size === 8 * MIB && connections === 16)
}

/** 128 MiB in 16 parts. */
function upload(connections: number): Cell {
  const parts = { partBytes: 8 * MIB, parts: 16 }
  const plan = (n: number): RequestPlan => ({ method: 'PUT', bucket: BUCKET, key: `put/upload/${n % NAMES}` })
  const name = `upload of 16 parts of 8 MiB × ${connections}`
  return {
    name,
    group: 'multipart',
    bytes: 128 * MIB,
    connections,
    plan,
    upload: parts,
    needs: [],
    quick: false,
  }
}

const FEW_CONNECTIONS = [1, 16]
export const CELLS: readonly Cell[] = [
  ...SIZES.flatMap((size) => CONNECTIONS.map((connections) => put(size, connections))),
  ...SIZES.flatMap((size) => CONNECTIONS.map((connections) => get(size, connections))),
  ...CONNECTIONS.map(head),
  ...CONNECTIONS.map(list),
  ...FEW_CONNECTIONS.flatMap((connections) => [range(undefined, connections), range(128, connections)]),
  ...FEW_CONNECTIONS.map(upload),
  ...[4 * KIB, MIB].map((size) => mixed(size, 16)),
  ...(['signed', 'crc32', 'crc64nvme'] as const).flatMap((framing) =>
    [4 * KIB, 8 * MIB].map((size) => put(size, 16, framing)),
  ),
]
