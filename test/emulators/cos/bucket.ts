/** A bucket of the emulator: keys in the order of their bytes, each with its versions, and what lists see of them, which may be old. */
import { randomInt } from 'node:crypto'
import type { Blob, Content } from './blobs.ts'
import { CosRefusal } from './refusal.ts'

export interface Tag {
  readonly Key: string
  readonly Value: string
}

/** What is kept with bytes: names as COS has them (`x-cos-meta-…` and the headers of HTTP). */
export interface Attributes {
  readonly headers: Readonly<Record<string, string>>
  readonly storageClass: string
  readonly tags: readonly Tag[]
}

export interface ObjectVersion extends Attributes {
  readonly versionId: string
  /** Grows with every write. */
  readonly order: number
  readonly isDeleteMarker: false
  /** Without quotes. */
  readonly etag: string
  readonly content: Content
  readonly lastModified: number
}

export interface DeleteMarker {
  readonly versionId: string
  readonly order: number
  readonly isDeleteMarker: true
  readonly lastModified: number
}

export type Version = ObjectVersion | DeleteMarker

export interface Part {
  readonly blob: Blob
  readonly etag: string
  readonly lastModified: number
}

export interface Upload {
  readonly key: string
  readonly uploadId: string
  readonly initiatedAt: number
  readonly attributes: Attributes
  readonly forbidsOverwrite: boolean
  readonly parts: Map<number, Part>
}

export type VersioningStatus = 'Enabled' | 'Suspended'

/** What lists see: all that happened up to then. Infinity: all. */
export interface Horizon {
  lagMs: number
  frozenAt: number | null
}

interface State {
  readonly at: number
  /** From the newest to the oldest. */
  readonly versions: readonly Version[]
}

export class Bucket {
  readonly name: string
  readonly createdAt = wholeSecond()
  versioning: VersioningStatus | null = null
  readonly uploads = new Map<string, Upload>()
  readonly #horizon: Horizon
  /** The newest state of a key is its last; older ones are kept as long as lists may show them. */
  readonly #keys = new Map<string, State[]>()
  /** In the order of their bytes. */
  readonly #sorted: string[] = []

  constructor(name: string, horizon: Horizon) {
    this.name = name
    this.#horizon = horizon
  }

  get isEmpty(): boolean {
    return [...this.#keys.values()].every((states) => (states.at(-1)?.versions.length ?? 0) === 0)
  }

  versions(key: string): readonly Version[] {
    return this.#keys.get(key)?.at(-1)?.versions ?? []
  }

  /** A version as reads find it. */
  find(key: string, versionId: string | undefined): ObjectVersion {
    const versions = this.versions(key)
    if (versionId === undefined) {
      const [newest] = versions
      if (newest === undefined) throw new CosRefusal('NoSuchKey')
      if (newest.isDeleteMarker) throw new CosRefusal('NoSuchKey', undefined, markerHeaders(newest))
      return newest
    }
    const found = this.named(key, versionId)
    if (found === undefined) throw new CosRefusal('NoSuchVersion')
    if (found.isDeleteMarker) throw new CosRefusal('MethodNotAllowed', undefined, markerHeaders(found))
    return found
  }

  /** A version of any kind by its id, which must be one that COS can have given. */
  named(key: string, versionId: string): Version | undefined {
    if (versionId !== 'null' && orderOf(versionId) === null) throw new CosRefusal('InvalidArgument')
    return this.versions(key).find((version) => version.versionId === versionId)
  }

  /** What a write now gives its version: an id that says its place, unless that is `null`. */
  next(): Pick<ObjectVersion, 'versionId' | 'order' | 'lastModified'> {
    const order = ++writes
    const id = Buffer.from(`${FIRST_ID - BigInt(order)}${randomInt(1e5, 1e6)}`).toString('base64url')
    return { order, versionId: this.versioning === 'Enabled' ? id : 'null', lastModified: wholeSecond() }
  }

  /** Adds a version; one that is `null` takes the place of the one that was. */
  async add(key: string, version: Version): Promise<void> {
    const replaced = this.versions(key).filter(
      ({ versionId }) => version.versionId === 'null' && versionId === 'null',
    )
    this.#change(key, [version, ...this.versions(key).filter((other) => !replaced.includes(other))])
    for (const gone of replaced) await release(gone)
  }

  async remove(key: string, version: Version): Promise<void> {
    this.#change(
      key,
      this.versions(key).filter((other) => other !== version),
    )
    await release(version)
  }

  replace(key: string, version: Version, by: Version): void {
    this.#change(
      key,
      this.versions(key).map((other) => (other === version ? by : other)),
    )
  }

  /** Keys behind `marker` (or from it on), with the versions that lists see, in the order of their bytes. */
  *listed(prefix: string, from: string): Generator<readonly [key: string, versions: readonly Version[]]> {
    const start = compareNames(from, prefix) > 0 ? from : prefix
    for (let index = this.#indexOf(start); index < this.#sorted.length; index++) {
      const key = this.#sorted[index] ?? ''
      if (!key.startsWith(prefix)) return
      const versions = this.#seen(key)
      if (versions.length > 0) yield [key, versions]
    }
  }

  #seen(key: string): readonly Version[] {
    const states = this.#keys.get(key) ?? []
    const { lagMs, frozenAt } = this.#horizon
    const until = frozenAt ?? performance.now() - lagMs
    return states.findLast(({ at }) => at <= until)?.versions ?? []
  }

  #change(key: string, versions: readonly Version[]): void {
    const states = this.#keys.get(key) ?? []
    if (states.length === 0) this.#sorted.splice(this.#indexOf(key), 0, key)
    const lags = this.#horizon.lagMs > 0 || this.#horizon.frozenAt !== null
    const kept = lags ? states : []
    if (!lags && versions.length === 0) {
      this.#keys.delete(key)
      this.#sorted.splice(this.#indexOf(key), 1)
      return
    }
    this.#keys.set(key, [...kept, { at: performance.now(), versions }])
  }

  /** Where a key is or would be. */
  #indexOf(key: string): number {
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareNames(this.#sorted[middle] ?? '', key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

async function release(version: Version): Promise<void> {
  if (!version.isDeleteMarker) await version.content.release()
}

function markerHeaders({ versionId }: DeleteMarker): Record<string, string> {
  return { 'x-cos-delete-marker': 'true', 'x-cos-version-id': versionId }
}

const FIRST_ID = 18_445_000_000_000_000n
let writes = 0

/** The place of a version among others by its id; null if COS cannot have given that. */
export function orderOf(versionId: string): number | null {
  const [, id] = /^(1844\d{13})\d+$/.exec(Buffer.from(versionId, 'base64url').toString('latin1')) ?? []
  return id === undefined ? null : Number(FIRST_ID - BigInt(id))
}

/** COS's times are whole seconds. */
export function wholeSecond(): number {
  return Math.floor(Date.now() / 1000) * 1000
}

/** The order of UTF-8 bytes, which is that of code points: surrogates stand for what is above all else. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const [x, y] = [a.charCodeAt(index), b.charCodeAt(index)]
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
