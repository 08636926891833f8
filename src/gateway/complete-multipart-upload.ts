import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import {
  type FooterChecksums,
  type FooterPart,
  integrityError,
  sealFooter,
  segmentsSize,
  storedSize,
} from '../envelope/index.ts'
import { isError, SealgateError } from '../errors.ts'
import { checkPartNumbers, checkWriteCondition } from '../storage/capabilities.ts'
import type { CompleteMultipartUploadRequest, PutObjectResult, WriteCondition } from '../storage/storage.ts'
import { awaitedRecords } from './awaited-records.ts'
import { type ChecksumType, checksumsOf, checksumText } from './checksum.ts'
import {
  answerOfEarlier,
  answerOfOlderVersion,
  type CompleteMultipartUploadOutput,
  finish,
} from './completed-before.ts'
import { type CompletedPart, selectParts } from './completed-parts.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { confirmMarks } from './marks.ts'
import { combineChecksums } from './multipart-checksum.ts'
import { checkBucket } from './names.ts'
import type { UploadInit } from './upload-key-cache.ts'
import { type FoundPart, readInit, stashKey, type UploadName } from './upload-state.ts'

export interface CompleteMultipartUploadInput extends UploadName {
  readonly parts: readonly CompletedPart[]
  readonly condition?: WriteCondition | undefined
  /** The checksum of the whole object that the client expects, in S3's text (base64, `-N` behind a composite one). */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly text: string } | undefined
  /** What the client takes the upload's type of checksum to be. */
  readonly checksumType?: ChecksumType | null | undefined
  /** x-amz-mp-object-size */
  readonly objectSize?: number | undefined
}

/**
 * Joins the parts and puts the footer behind them. A Complete that is sent again after its answer was lost gets the same
 * answer; state is removed only after the object is known to be there.
 */
export async function completeMultipartUpload(
  gateway: Gateway,
  input: CompleteMultipartUploadInput,
): Promise<CompleteMultipartUploadOutput> {
  checkBucket(gateway, input.bucket)
  checkWriteCondition(gateway.storage.capabilities, 'complete', input.condition)
  const upload = { bucket: input.bucket, key: input.key, uploadId: input.uploadId }
  for (let attempt = 1; ; attempt++) {
    try {
      return await complete(gateway, input, upload, await readInit(gateway, upload))
    } catch (error) {
      if (!isError(error, 'NoSuchUpload', 'InvalidPart')) throw error
      const earlier = await answerOfEarlier(gateway, upload)
      if (earlier !== null) return earlier
      if (error.reason === REFUSED_BY_STORE && attempt < 3) continue
      return answerOfOlderVersion(gateway, upload, error)
    }
  }
}

/**
 * The store does not have a part that the records do. Where another Complete of the same upload has just put its own footer
 * in the place of ours, the next attempt succeeds, or finds the upload completed.
 */
const REFUSED_BY_STORE = 'the store does not hold the part'

async function complete(
  gateway: Gateway,
  input: CompleteMultipartUploadInput,
  upload: UploadName,
  init: UploadInit,
): Promise<CompleteMultipartUploadOutput> {
  const records = await awaitedRecords(gateway, upload, init, input.parts)
  const found = selectParts(input.parts, records)
  checkPartNumbers(
    gateway.storage.capabilities,
    found.map(({ record }) => record),
  )
  const checksums = combineChecksums(init, found)
  checkType(input, init)
  checkExpectations(input, found, checksums)
  const parts: FooterPart[] = found.map(({ record }) => ({
    partNumber: record.partNumber,
    size: record.size,
    salt: record.salt,
    checksum: checksums.partAlgorithm === null ? Buffer.alloc(0) : record.checksum,
  }))
  const plain = parts.reduce((sum, part) => sum + part.size, 0)
  if (storedSize(plain) > gateway.storage.limits.maxObjectBytes) throw new SealgateError('EntityTooLarge')
  const footer = sealFooter({
    objectKey: init.objectKey,
    plainSize: plain,
    storedSize: storedSize(plain),
    parts,
    checksums,
  })
  const data = parts.reduce((sum, part) => sum + segmentsSize(part.size), 0)
  const padding = storedSize(plain) - data - footer.length
  const tail = Buffer.concat([Buffer.alloc(padding), footer])
  const joined = await placeFooter(gateway, upload, found, footerNumber(gateway, records, found), tail)
  const { etag, lastModified, versionId } = await join(gateway, upload, joined, input.condition)
  const output = {
    etag: toClientEtag(etag),
    lastModified,
    versionId,
    encryption: init.encryption,
    checksums: checksumsOf({ parts, checksums }),
  }
  await confirmMarks(gateway, { ...upload, versionId, etag }, init.marks)
  await finish(gateway, upload, output)
  return output
}

function checkType({ checksumType }: CompleteMultipartUploadInput, init: UploadInit): void {
  if (checksumType === undefined || checksumType === null || checksumType === init.checksumType) return
  throw new SealgateError(
    'InvalidRequest',
    `The upload was created using the ${init.checksumType ?? 'null'} checksum mode. The complete request must use the same checksum mode.`,
  )
}

function checkExpectations(
  input: CompleteMultipartUploadInput,
  found: readonly FoundPart[],
  checksums: FooterChecksums,
): void {
  const size = found.reduce((sum, { record }) => sum + record.size, 0)
  if (input.objectSize !== undefined && input.objectSize !== size) {
    throw new SealgateError(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${input.objectSize} does not match what was computed: ${size}`,
    )
  }
  if (input.checksum === undefined) return
  const [computed] = checksumsOf({ parts: found, checksums }).filter(
    ({ algorithm }) => algorithm === input.checksum?.algorithm,
  )
  if (computed === undefined) {
    throw new SealgateError(
      'BadDigest',
      `The ${input.checksum.algorithm} you specified cannot be checked, as the upload was not begun with that x-amz-checksum-algorithm.`,
    )
  }
  const expected = input.checksum.text
  // Clients give a composite checksum with or without the number of parts.
  if (expected !== checksumText(computed) && expected !== computed.value.toString('base64'))
    throw new SealgateError('BadDigest')
}

/**
 * A number behind all that were uploaded, so that no part of the client's is lost, listed or not; where numbers may have no gaps, behind all that
 * are named. Part 10000 is never in the store.
 */
function footerNumber(
  { storage }: Gateway,
  records: readonly FoundPart[],
  found: readonly FoundPart[],
): number {
  if (!storage.capabilities.partGaps) return found.length + 1
  return (
    1 +
    Math.max(
      0,
      ...records.filter(({ record }) => record.location === 'part').map(({ record }) => record.partNumber),
    )
  )
}

/** Uploads padding and footer: behind the last part if that waits in the system bucket, otherwise as one more part. */
async function placeFooter(
  gateway: Gateway,
  upload: UploadName,
  found: readonly FoundPart[],
  partNumber: number,
  tail: Buffer,
) {
  const joined = found.map(({ record }) => ({ partNumber: record.partNumber, etag: record.etag }))
  const last = found.at(-1)
  if (last === undefined) throw new SealgateError('MalformedXML')
  const { record } = last
  if (record.location === 'part') {
    const { etag } = await gateway.storage.uploadPart({
      ...upload,
      partNumber,
      size: tail.length,
      body: chunks(tail),
    })
    return [...joined, { partNumber, etag }]
  }
  const sealed = segmentsSize(record.size)
  const waiting = await openWaiting(gateway, upload, last)
  try {
    if (waiting.object.size !== sealed) throw integrityError('stashed part of another length')
    const { etag } = await gateway.storage.uploadPart({
      ...upload,
      partNumber: record.partNumber,
      size: sealed + tail.length,
      body: chunks(waiting.body, tail),
    })
    return [...joined.slice(0, -1), { partNumber: record.partNumber, etag }]
  } finally {
    // Also where the store refused the part without a look at it.
    waiting.body.destroy()
  }
}

/** The sealed bytes of a part that waits in the system bucket, unless another Complete has just taken them away. */
async function openWaiting(gateway: Gateway, upload: UploadName, { record, marker }: FoundPart) {
  const key = record.location === 'inline' ? marker : stashKey(upload, record)
  try {
    return await gateway.storage.getObject({ bucket: gateway.systemBucket, key })
  } catch (error) {
    if (!isError(error, 'NoSuchKey')) throw error
    throw new SealgateError('InvalidPart', undefined, { cause: error, reason: REFUSED_BY_STORE })
  }
}

async function join(
  gateway: Gateway,
  upload: UploadName,
  parts: CompleteMultipartUploadRequest['parts'],
  condition: WriteCondition | undefined,
): Promise<PutObjectResult> {
  try {
    return await gateway.storage.completeMultipartUpload({ ...upload, parts, condition })
  } catch (error) {
    if (!isError(error, 'InvalidPart')) throw error
    throw new SealgateError('InvalidPart', undefined, { cause: error, reason: REFUSED_BY_STORE })
  }
}

async function* chunks(...sources: (AsyncIterable<Uint8Array> | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const source of sources) {
    if (Buffer.isBuffer(source)) yield source
    else yield* source
  }
}
