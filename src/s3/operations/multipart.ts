import { checksumHeader } from '../../base/checksum.ts'
import { CHECKSUM_NAMES, type ChecksumAlgorithm } from '../../base/checksum-algorithm.ts'
import { SealgateError } from '../../errors.ts'
import { abortMultipartUpload } from '../../gateway/abort-multipart-upload.ts'
import { completeMultipartUpload } from '../../gateway/complete-multipart-upload.ts'
import type { CompletedPart } from '../../gateway/completed-parts.ts'
import { createMultipartUpload } from '../../gateway/create-multipart-upload.ts'
import { listMultipartUploads } from '../../gateway/list-multipart-uploads.ts'
import { listParts } from '../../gateway/list-parts.ts'
import { uploadPart } from '../../gateway/upload-part.ts'
import { uploadPartCopy } from '../../gateway/upload-part-copy.ts'
import { readWriteCondition, unquoteEtag } from '../condition-headers.ts'
import type { Answer, Context } from '../context.ts'
import { readCopySource } from '../copy-source.ts'
import { readCustomerKey } from '../customer-key.ts'
import type { RequestHeaders } from '../headers.ts'
import { readMarks } from '../mark-headers.ts'
import {
  checksumHeaders,
  encryptionHeaders,
  readAttributes,
  readChecksumAlgorithm,
  readChecksumType,
  readEncryption,
} from '../object-headers.ts'
import { refuseObjectHeaders, refusePartHeaders } from '../refused-headers.ts'
import { readSmallBody } from '../request-body.ts'
import { sourceVersionHeaders, versionHeaders } from '../version-id.ts'
import { childrenOf, childText, parseXml, type XmlElement } from '../xml.ts'
import { readPartNumber } from './object.ts'
import { checksumElements, keyEncoder, owner, queryNumber, xmlAnswer } from './shared.ts'

/** 10000 parts with checksums and room for blanks. */
const MAX_COMPLETE_BYTES = 4 * 1024 * 1024

export async function CreateMultipartUpload(context: Context): Promise<Answer> {
  const { headers } = context
  refuseObjectHeaders(headers)
  const output = await createMultipartUpload(context.gateway, {
    bucket: context.bucket,
    key: context.key,
    attributes: readAttributes(headers),
    encryption: readEncryption(headers),
    marks: readMarks(context.gateway, headers),
    checksumAlgorithm: readChecksumAlgorithm(headers.get('x-amz-checksum-algorithm')),
    checksumType: readChecksumType(headers.get('x-amz-checksum-type')),
  })
  return xmlAnswer(
    'InitiateMultipartUploadResult',
    { Bucket: context.bucket, Key: context.key, UploadId: output.uploadId },
    {
      ...encryptionHeaders(output.encryption),
      'x-amz-checksum-algorithm': output.checksumAlgorithm ?? undefined,
      'x-amz-checksum-type': output.checksumType ?? undefined,
    },
  )
}

export async function UploadPart(context: Context): Promise<Answer> {
  refusePartHeaders(context.headers)
  const output = await uploadPart(context.gateway, {
    ...uploadOf(context),
    partNumber: readPartNumber(context),
    customerKey: readCustomerKey(context.headers),
    body: context.body(Number.MAX_SAFE_INTEGER),
    signal: context.signal,
  })
  const { 'x-amz-checksum-type': _type, ...checksums } = checksumHeaders(output.checksums)
  return {
    status: 200,
    headers: {
      etag: `"${output.etag}"`,
      ...encryptionHeaders(output.encryption),
      ...checksums,
      'content-length': 0,
    },
  }
}

export async function UploadPartCopy(context: Context): Promise<Answer> {
  refusePartHeaders(context.headers)
  const output = await uploadPartCopy(context.gateway, {
    ...uploadOf(context),
    partNumber: readPartNumber(context),
    customerKey: readCustomerKey(context.headers),
    source: readCopySource(context),
    range: readCopyRange(context.headers.get('x-amz-copy-source-range')),
    signal: context.signal,
  })
  return xmlAnswer(
    'CopyPartResult',
    {
      LastModified: new Date(output.lastModified).toISOString(),
      ETag: `"${output.etag}"`,
      // A part has a value and no type of its own.
      ...checksumElements(output.checksums),
      ChecksumType: undefined,
    },
    { ...encryptionHeaders(output.encryption), ...sourceVersionHeaders(output.sourceVersionId) },
  )
}

/** Other than GET's, this range must be closed and well formed. */
function readCopyRange(header: string | undefined): { start: number; end: number } | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header)
  const [start, end] = [Number(match?.[1] ?? Number.NaN), Number(match?.[2] ?? Number.NaN)]
  if (!(start <= end)) {
    throw new SealgateError(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      {
        details: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header },
      },
    )
  }
  return { start, end }
}

export async function CompleteMultipartUpload(context: Context): Promise<Answer> {
  const { headers } = context
  const root = parseXml(await readSmallBody(context.body(MAX_COMPLETE_BYTES, 'object'), MAX_COMPLETE_BYTES))
  const listed = childrenOf(root, 'Part')
  if (root.name !== 'CompleteMultipartUpload' || listed.length === 0 || listed.length > 10_000)
    throw new SealgateError('MalformedXML')
  const output = await completeMultipartUpload(context.gateway, {
    ...uploadOf(context),
    parts: listed.map(readPart),
    condition: readWriteCondition(headers),
    objectSize: readObjectSize(headers.get('x-amz-mp-object-size')),
    checksum: readObjectChecksum(headers),
    checksumType: readChecksumType(headers.get('x-amz-checksum-type')),
  })
  const path = [context.bucket, ...context.key.split('/')].map(encodeURIComponent).join('/')
  return xmlAnswer(
    'CompleteMultipartUploadResult',
    {
      Location: `http://${headers.get('host') ?? ''}/${path}`,
      Bucket: context.bucket,
      Key: context.key,
      ETag: `"${output.etag}"`,
      ...checksumElements(output.checksums),
    },
    { ...encryptionHeaders(output.encryption), ...versionHeaders(output.versionId) },
  )
}

function readObjectSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new SealgateError('InvalidRequest', 'The value of x-amz-mp-object-size is not a size in bytes.')
}

function readPart(element: XmlElement): CompletedPart {
  const number = childText(element, 'PartNumber')?.trim() ?? ''
  const etag = childText(element, 'ETag')
  if (!/^\d{1,5}$/.test(number) || etag === undefined) throw new SealgateError('MalformedXML')
  const checksums = CHECKSUM_NAMES.flatMap((algorithm) => {
    const value = childText(element, `Checksum${algorithm}`)?.trim()
    return value === undefined || value === '' ? [] : [{ algorithm, value: Buffer.from(value, 'base64') }]
  })
  return { partNumber: Number(number), etag: unquoteEtag(etag).toLowerCase(), checksum: checksums[0] }
}

function readObjectChecksum(
  headers: RequestHeaders,
): { algorithm: ChecksumAlgorithm; text: string } | undefined {
  for (const algorithm of CHECKSUM_NAMES) {
    const text = headers.get(checksumHeader(algorithm))
    if (text !== undefined) return { algorithm, text }
  }
  return undefined
}

export async function AbortMultipartUpload(context: Context): Promise<Answer> {
  await abortMultipartUpload(context.gateway, uploadOf(context))
  return { status: 204 }
}

export async function ListParts(context: Context): Promise<Answer> {
  const maxParts = queryNumber(context, 'max-parts', 1000, 1000)
  const marker = queryNumber(context, 'part-number-marker', 0, 10_000)
  // Some clients ask for max-parts=0 and mean the default.
  const page = await listParts(context.gateway, {
    ...uploadOf(context),
    partNumberMarker: marker,
    maxParts: maxParts === 0 ? 1000 : maxParts,
  })
  const { encode, type } = keyEncoder(context)
  return xmlAnswer('ListPartsResult', {
    Bucket: context.bucket,
    Key: encode(context.key),
    UploadId: context.target.query.get('uploadId'),
    Initiator: owner(context),
    Owner: owner(context),
    StorageClass: page.storageClass,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.parts.at(-1)?.partNumber ?? 0,
    MaxParts: maxParts,
    IsTruncated: page.isTruncated,
    EncodingType: type,
    ChecksumAlgorithm: page.checksumAlgorithm ?? undefined,
    ChecksumType: page.checksumType ?? undefined,
    Part: page.parts.map((part) => ({
      PartNumber: part.partNumber,
      LastModified: new Date(part.time).toISOString(),
      ETag: `"${part.etag}"`,
      Size: part.size,
      [`Checksum${part.checksumAlgorithm}`]:
        part.checksumAlgorithm === null ? undefined : part.checksum.toString('base64'),
    })),
  })
}

export async function ListMultipartUploads(context: Context): Promise<Answer> {
  const { query } = context.target
  const { encode, type } = keyEncoder(context)
  const request = {
    bucket: context.bucket,
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    keyMarker: query.get('key-marker') ?? '',
    uploadIdMarker: query.get('upload-id-marker') ?? '',
    maxUploads: queryNumber(context, 'max-uploads', 1000, 1000),
  }
  const page = await listMultipartUploads(context.gateway, request)
  return xmlAnswer('ListMultipartUploadsResult', {
    Bucket: context.bucket,
    KeyMarker: encode(request.keyMarker),
    UploadIdMarker: request.uploadIdMarker,
    NextKeyMarker: encode(page.nextKeyMarker),
    NextUploadIdMarker: page.nextUploadIdMarker,
    Prefix: encode(request.prefix),
    Delimiter: request.delimiter === '' ? undefined : encode(request.delimiter),
    MaxUploads: request.maxUploads,
    IsTruncated: page.isTruncated,
    EncodingType: type,
    Upload: page.uploads.map((upload) => ({
      Key: encode(upload.key),
      UploadId: upload.uploadId,
      Initiator: owner(context),
      Owner: owner(context),
      StorageClass: upload.storageClass,
      Initiated: new Date(upload.initiatedAt).toISOString(),
    })),
    CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encode(prefix) })),
  })
}

function uploadOf(context: Context) {
  return { bucket: context.bucket, key: context.key, uploadId: context.target.query.get('uploadId') ?? '' }
}
