import type { Footer } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import { type ClientAttributes, clientAttributes } from './attributes.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import type { EncryptionAnswer } from './encryption.ts'
import { toClientEtag } from './etag.ts'
import type { ShownMarks } from './marks.ts'
import type { FoundObject } from './open-object.ts'
import { type RangeRequest, resolveRange, type Slice } from './range.ts'

/** What GET and HEAD say of an object. */
export interface ObjectDescription {
  readonly encryption: EncryptionAnswer
  readonly attributes: ClientAttributes
  readonly marks: ShownMarks
  readonly etag: string
  readonly lastModified: number
  readonly versionId?: string | undefined
  /** Of the whole object. */
  readonly size: number
  /** Present if a range or a part was asked for. */
  readonly slice?: Slice | undefined
  /** Number of parts, if it came by multipart and a part was asked for. */
  readonly partsCount?: number | undefined
  readonly checksums: readonly ObjectChecksum[]
}

export interface DescriptionRequest {
  readonly range: RangeRequest | undefined
  readonly checksums: boolean
}

/** @param footer null where nothing that is asked for needs it: then the object has no parts, and no checksums are told */
export function describeObject(
  object: FoundObject,
  footer: Footer | null,
  { range, checksums }: DescriptionRequest,
): ObjectDescription {
  const whole = {
    attributes: clientAttributes(object.stored),
    marks: { tagCount: object.stored.tagCount, lock: object.stored.lock },
    etag: toClientEtag(object.stored.etag),
    lastModified: object.stored.lastModified,
    versionId: object.stored.versionId,
    size: object.size,
    encryption: object.encryption,
  }
  if (range === undefined)
    return { ...whole, checksums: checksums && footer !== null ? checksumsOf(footer) : [] }
  // A whole-object checksum on a part of the object makes every SDK fail the read.
  if (range.kind !== 'part') return { ...whole, slice: resolveRange(range, object.size), checksums: [] }
  return { ...whole, ...describePart(object, footer, range.partNumber, checksums) }
}

function describePart(
  object: FoundObject,
  footer: Footer | null,
  partNumber: number,
  wanted: boolean,
): Pick<ObjectDescription, 'slice' | 'partsCount' | 'checksums'> {
  if (footer === null || footer.parts.length === 0) {
    if (partNumber !== 1) throw noSuchPart(partNumber, 1)
    return {
      slice: { start: 0, end: object.size - 1 },
      checksums: wanted && footer !== null ? checksumsOf(footer) : [],
    }
  }
  // By position, as on S3: clients read 1 to x-amz-mp-parts-count, whatever numbers the uploads had.
  const part = footer.parts[partNumber - 1]
  if (part === undefined) throw noSuchPart(partNumber, footer.parts.length)
  const start = footer.parts.slice(0, partNumber - 1).reduce((sum, earlier) => sum + earlier.size, 0)
  const algorithm = footer.checksums.partAlgorithm
  const checksums =
    wanted && algorithm !== null
      ? [{ algorithm, type: footer.checksums.type ?? 'COMPOSITE', value: part.checksum }]
      : []
  return { slice: { start, end: start + part.size - 1 }, partsCount: footer.parts.length, checksums }
}

function noSuchPart(requested: number, count: number): SealgateError {
  return new SealgateError('InvalidPartNumber', undefined, {
    details: { PartNumberRequested: String(requested), ActualPartCount: String(count) },
  })
}
