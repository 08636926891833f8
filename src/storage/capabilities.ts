import { SealgateError } from '../errors.ts'
import type { ObjectHeaders, WriteCondition } from './storage.ts'

/**
 * What a store can do of what S3 can. It is data, found out or known before the first request, so that what a store cannot do is
 * refused before a body is read, and no condition is ever dropped in silence or imitated by looking first.
 */
export interface StorageCapabilities {
  /** The conditions that are enforced atomically with the commit of each write. */
  readonly conditions: Readonly<Record<ConditionalWrite, ConditionSupport>>
  /** The headers of ObjectHeaders that come back as they were stored. */
  readonly headers: Readonly<Record<string, boolean>>
  /** Whether listMultipartUploads shows all uploads of a bucket, so that what it does not show is no upload. */
  readonly listsUploads: boolean
  /** Whether buckets can keep the versions of their objects. */
  readonly versions: boolean
  /** Whether a list shows what was written before it was asked for. */
  readonly listsWrites: boolean
  /** Whether an upload can be completed from parts whose numbers leave some out; where it cannot they are 1, 2, 3 and so on. */
  readonly partGaps: boolean
}

export type ConditionalWrite = 'put' | 'copy' | 'complete' | 'delete'

export interface ConditionSupport {
  readonly ifMatch: boolean
  readonly ifNoneMatch: boolean
}

export const NEITHER: ConditionSupport = { ifMatch: false, ifNoneMatch: false }
export const NO_CONDITIONS = { put: NEITHER, copy: NEITHER, complete: NEITHER, delete: NEITHER } as const
const BOTH: ConditionSupport = { ifMatch: true, ifNoneMatch: true }

export const ALL_CAPABILITIES: StorageCapabilities = {
  conditions: { put: BOTH, copy: BOTH, complete: BOTH, delete: BOTH },
  headers: {},
  listsUploads: true,
  versions: true,
  listsWrites: true,
  partGaps: true,
}

const OPERATIONS: Readonly<Record<ConditionalWrite, string>> = {
  put: 'PutObject',
  copy: 'CopyObject',
  complete: 'CompleteMultipartUpload',
  delete: 'DeleteObject',
}

/** Throws NotImplemented for a condition that the store would not keep. */
export function checkWriteCondition(
  { conditions }: StorageCapabilities,
  write: ConditionalWrite,
  condition: WriteCondition | undefined,
): void {
  if (condition === undefined) return
  const [name, header] =
    'ifMatch' in condition ? (['ifMatch', 'If-Match'] as const) : (['ifNoneMatch', 'If-None-Match'] as const)
  if (conditions[write][name]) return
  throw new SealgateError(
    'NotImplemented',
    `${header} on ${OPERATIONS[write]} is not enforced by the storage behind the gateway, so it is refused instead of ignored.`,
    { details: { Header: header } },
  )
}

/** Throws NotImplemented for an upload whose parts the store would not join. */
export function checkPartNumbers(
  { partGaps }: StorageCapabilities,
  parts: readonly { readonly partNumber: number }[],
): void {
  const at = partGaps ? -1 : parts.findIndex(({ partNumber }, index) => partNumber !== index + 1)
  if (at < 0) return
  throw new SealgateError(
    'NotImplemented',
    `The storage behind the gateway joins only parts that are numbered 1, 2, 3 and so on: part ${at + 1} is missing. Upload it, or upload all parts again without gaps in their numbers.`,
    { details: { PartNumber: String(at + 1) } },
  )
}

/** A condition of the client does not hold. */
export function conditionFailed(name: 'If-Match' | 'If-None-Match', cause?: unknown): SealgateError {
  return new SealgateError('PreconditionFailed', undefined, {
    cause,
    details: { Condition: name },
    reason: 'condition of the client',
  })
}

/** Throws NotImplemented for headers that the store would not give back: an object that lacks one could not be read. */
export function checkKept(capabilities: StorageCapabilities, headers: ObjectHeaders): void {
  for (const name of Object.keys(headers)) {
    if (capabilities.headers[name] === false)
      throw new SealgateError(
        'NotImplemented',
        `The storage behind the gateway does not keep the header ${name}.`,
        {
          details: { Header: name },
        },
      )
  }
}
