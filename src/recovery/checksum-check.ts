import { createHash } from 'node:crypto'
import { type Checksum, createChecksum } from '../base/checksum.ts'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import type { Footer } from '../envelope/index.ts'
import { RecoveryError } from './recovery-error.ts'

/** A checksum of the footer that was computed again and is the same. */
export interface ConfirmedChecksum {
  readonly algorithm: ChecksumAlgorithm | 'MD5'
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
  /** Base64; behind a composite one a hyphen and the number of parts, as S3 writes it. */
  readonly value: string
}

const ALL = Object.keys(CHECKSUM_ALGORITHMS) as ChecksumAlgorithm[]

/** Computes the checksums of a whole plaintext again as it passes. */
export class ChecksumCheck {
  readonly #known: Footer | null
  readonly #whole: ReadonlyMap<ChecksumAlgorithm, Checksum>
  readonly #md5: Checksum | null
  readonly #parts: PartChecksums | null

  /** @param footer null while it is not known, as it is the end of a stream: then every checksum is computed */
  constructor(footer: Footer | null) {
    this.#known = footer
    const wanted =
      footer === null
        ? ALL
        : footer.checksums.type === 'FULL_OBJECT'
          ? footer.checksums.values.map(({ algorithm }) => algorithm)
          : []
    this.#whole = new Map(wanted.map((algorithm) => [algorithm, createChecksum(algorithm)]))
    this.#md5 = footer === null || footer.checksums.md5 !== undefined ? createHash('md5') : null
    const algorithm = footer?.checksums.partAlgorithm ?? null
    this.#parts =
      footer === null || algorithm === null || footer.parts.length === 0
        ? null
        : new PartChecksums(algorithm, footer)
  }

  update(plain: Uint8Array): void {
    for (const checksum of this.#whole.values()) checksum.update(plain)
    this.#md5?.update(plain)
    this.#parts?.update(plain)
  }

  /** What the footer holds and the plaintext has; RecoveryError if one differs. */
  end(name: string, footer: Footer | null = this.#known): readonly ConfirmedChecksum[] {
    if (footer === null) throw new TypeError('expected a footer')
    const composed = this.#parts?.end(name) ?? null
    const { type, values, md5 } = footer.checksums
    const confirmed = values.map(({ algorithm, value }): ConfirmedChecksum => {
      const composite = type === 'COMPOSITE'
      const found = composite ? composed : this.#whole.get(algorithm)?.digest()
      if (found === undefined || found === null || !found.equals(value)) throw differs(name, algorithm)
      const text = value.toString('base64')
      return composite
        ? { algorithm, type: 'COMPOSITE', value: `${text}-${footer.parts.length}` }
        : { algorithm, type: 'FULL_OBJECT', value: text }
    })
    if (md5 === undefined) return confirmed
    if (this.#md5?.digest().equals(md5) !== true) throw differs(name, 'MD5')
    return [...confirmed, { algorithm: 'MD5', type: 'FULL_OBJECT', value: md5.toString('base64') }]
  }
}

/** The checksum of each part, and of all of them one behind another, which is the composite one. */
class PartChecksums {
  readonly #algorithm: ChecksumAlgorithm
  readonly #parts: Footer['parts']
  readonly #composite: Checksum
  #index = 0
  #left: number
  #running: Checksum
  #wrong: number | null = null

  constructor(algorithm: ChecksumAlgorithm, footer: Footer) {
    this.#algorithm = algorithm
    this.#parts = footer.parts
    this.#composite = createChecksum(algorithm)
    this.#running = createChecksum(algorithm)
    this.#left = footer.parts[0]?.size ?? 0
  }

  update(plain: Uint8Array): void {
    let rest = plain
    while (rest.length > 0) {
      while (this.#left === 0) this.#next()
      const piece = rest.subarray(0, this.#left)
      this.#running.update(piece)
      this.#left -= piece.length
      rest = rest.subarray(piece.length)
    }
  }

  end(name: string): Buffer {
    while (this.#index < this.#parts.length) this.#next()
    if (this.#wrong !== null) throw differs(name, `${this.#algorithm} of part ${this.#wrong}`)
    return this.#composite.digest()
  }

  #next(): void {
    const part = this.#parts[this.#index]
    if (part === undefined) throw new RangeError('more plaintext than the parts have')
    const value = this.#running.digest()
    if (!value.equals(part.checksum)) this.#wrong ??= part.partNumber
    this.#composite.update(value)
    this.#index += 1
    this.#left = this.#parts[this.#index]?.size ?? 0
    this.#running = createChecksum(this.#algorithm)
  }
}

/** Every tag has opened by then: whoever wrote the object had its keys, and announced another content. */
function differs(name: string, what: string): RecoveryError {
  return new RecoveryError(
    'checksum',
    `${name}: every segment is authentic, but the stored checksum (${what}) is not that of the content.`,
  )
}
