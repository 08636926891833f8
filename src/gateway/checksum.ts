import { timingSafeEqual } from 'node:crypto'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import type { FooterChecksums } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type { PlainBody } from './plain-body.ts'

export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** A checksum of plaintext, as S3 knows it. `parts` is the number behind a composite value. */
export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly type: ChecksumType
  readonly value: Buffer
  readonly parts?: number | undefined
}

/** What the footer of a single PUT keeps. */
export function footerChecksums(body: PlainBody): FooterChecksums {
  const values = body.checksums()
  const md5 = body.md5()
  const type = values.length > 0 ? 'FULL_OBJECT' : null
  return { type, values, partAlgorithm: null, ...(md5 === undefined ? {} : { md5 }) }
}

export function fullObjectChecksums(body: PlainBody): readonly ObjectChecksum[] {
  return body.checksums().map(({ algorithm, value }) => ({ algorithm, value, type: 'FULL_OBJECT' as const }))
}

/** What a footer says of the whole object. */
export function checksumsOf(footer: {
  parts: readonly unknown[]
  checksums: FooterChecksums
}): readonly ObjectChecksum[] {
  const type = footer.checksums.type
  if (type === null) return []
  return footer.checksums.values.map(({ algorithm, value }) => ({
    algorithm,
    value,
    type,
    parts: type === 'COMPOSITE' ? footer.parts.length : undefined,
  }))
}

/** S3's text of a checksum: base64, and behind a composite one a hyphen and the number of parts. */
export function checksumText(checksum: ObjectChecksum): string {
  const text = checksum.value.toString('base64')
  return checksum.parts === undefined ? text : `${text}-${checksum.parts}`
}

/**
 * @param name of the checksum, for people
 * @param expected null if it was announced and never came
 * @throws SealgateError BadDigest
 */
export function requireDigest(name: string, expected: Buffer | null, computed: Buffer): void {
  if (expected !== null && timingSafeEqual(expected, computed)) return
  throw new SealgateError('BadDigest', `The ${name} you specified did not match the calculated checksum.`, {
    details: {
      ExpectedDigest: expected?.toString('base64') ?? '',
      CalculatedDigest: computed.toString('base64'),
    },
  })
}
