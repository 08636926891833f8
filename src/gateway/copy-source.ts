import { isError, SealgateError } from '../errors.ts'
import { checkCopyConditions, type ReadConditions } from './conditions.ts'
import type { CustomerKey } from './encryption.ts'
import { findObject } from './find-object.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { type OpenedObject, readFooter } from './open-object.ts'
import type { PlainBody } from './plain-body.ts'
import { isPlain, type PlainObject, readStored } from './plain-object.ts'
import { type RangeRequest, resolveRange, type Slice } from './range.ts'
import { readPlain } from './read-plain.ts'

export interface CopySource {
  readonly bucket: string
  readonly key: string
  readonly versionId?: string | undefined
  readonly conditions: ReadConditions
  /** That the source was stored with, if it was. */
  readonly customerKey?: CustomerKey | undefined
}

/** Opens the source and checks the conditions on it. */
export async function openSource(
  gateway: Gateway,
  source: CopySource,
  signal: AbortSignal | undefined,
): Promise<OpenedObject | PlainObject> {
  checkBucket(gateway, source.bucket)
  try {
    const object = await findObject(gateway, { ...source, signal })
    checkCopyConditions(source.conditions, object.stored, gateway.now())
    return object
  } catch (error) {
    if (!isError(error, 'MethodNotAllowed')) throw error
    throw new SealgateError(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
      { cause: error },
    )
  }
}

/** The plaintext of a source, or of a range of it, as a body to be sealed again. */
export async function plainBody(
  gateway: Gateway,
  object: OpenedObject | PlainObject,
  range: { readonly start: number; readonly end: number } | undefined,
  signal: AbortSignal | undefined,
): Promise<PlainBody> {
  if (range !== undefined && range.end >= object.size) {
    // Other than GET, a copy does not clip its range (S3 API, UploadPartCopy).
    throw new SealgateError(
      'InvalidArgument',
      `Range specified is not valid for source object of size: ${object.size}`,
      {
        details: {
          ArgumentName: 'x-amz-copy-source-range',
          ArgumentValue: `bytes=${range.start}-${range.end}`,
        },
      },
    )
  }
  const asked: Exclude<RangeRequest, { kind: 'part' }> =
    range === undefined ? { kind: 'open', start: 0 } : { kind: 'closed', ...range }
  const slice = object.size === 0 ? { start: 0, end: -1 } : resolveRange(asked, object.size)
  const read = isPlain(object)
    ? () => readStored(gateway, object, slice, signal)
    : await reader(gateway, object, slice, signal)
  return {
    size: slice.end - slice.start + 1,
    announced: null,
    checksums: () => [],
    md5: () => undefined,
    [Symbol.asyncIterator]: read,
  }
}

async function reader(gateway: Gateway, object: OpenedObject, slice: Slice, signal: AbortSignal | undefined) {
  const footer = object.envelope.kind === 'multipart' ? await readFooter(gateway, object, signal) : null
  return () => readPlain(gateway, object, footer, slice, signal)
}
