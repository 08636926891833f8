import { SealgateError } from '../../errors.ts'
import { type ListedObject, type ListObjectsResult, listObjects } from '../../gateway/list-objects.ts'
import type { Answer, Context } from '../context.ts'
import type { XmlTree } from '../xml.ts'
import { keyEncoder, owner, queryNumber, xmlAnswer } from './shared.ts'

export async function ListObjects(context: Context): Promise<Answer> {
  const { query } = context.target
  const { encode, type } = keyEncoder(context)
  const marker = query.get('marker') ?? ''
  const request = listRequest(context)
  const page = await listObjects(context.gateway, { ...request, startAfter: marker })
  return xmlAnswer('ListBucketResult', {
    Name: context.bucket,
    Prefix: encode(request.prefix),
    Marker: encode(marker),
    NextMarker: page.nextMarker === undefined ? undefined : encode(page.nextMarker),
    MaxKeys: request.maxKeys,
    Delimiter: request.delimiter === '' ? undefined : encode(request.delimiter),
    IsTruncated: page.next !== undefined,
    EncodingType: type,
    ...entries(page, encode, owner(context)),
  })
}

export async function ListObjectsV2(context: Context): Promise<Answer> {
  const { query } = context.target
  const listType = query.get('list-type') ?? ''
  if (listType !== '2') {
    throw new SealgateError('InvalidArgument', 'Invalid List Type specified in Request', {
      details: { ArgumentName: 'list-type', ArgumentValue: listType },
    })
  }
  const { encode, type } = keyEncoder(context)
  const startAfter = query.get('start-after') ?? ''
  const continuationToken = query.get('continuation-token')
  if (continuationToken === '')
    throw new SealgateError('InvalidArgument', 'The continuation token provided is incorrect', {
      details: { ArgumentName: 'continuation-token' },
    })
  const request = listRequest(context)
  const page = await listObjects(context.gateway, { ...request, startAfter, continuationToken })
  return xmlAnswer('ListBucketResult', {
    Name: context.bucket,
    Prefix: encode(request.prefix),
    StartAfter: startAfter === '' ? undefined : encode(startAfter),
    ContinuationToken: continuationToken,
    NextContinuationToken: page.next,
    KeyCount: page.objects.length + page.commonPrefixes.length,
    MaxKeys: request.maxKeys,
    Delimiter: request.delimiter === '' ? undefined : encode(request.delimiter),
    IsTruncated: page.next !== undefined,
    EncodingType: type,
    ...entries(page, encode, query.get('fetch-owner') === 'true' ? owner(context) : undefined),
  })
}

export function listRequest(context: Context) {
  const { query } = context.target
  return {
    bucket: context.bucket,
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    maxKeys: queryNumber(context, 'max-keys', 1000, 1000),
    signal: context.signal,
  }
}

function entries(
  page: ListObjectsResult,
  encode: (text: string) => string,
  by: XmlTree | undefined,
): XmlTree {
  return {
    Contents: page.objects.map((object) => contents(object, encode, by)),
    CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encode(prefix) })),
  }
}

export function contents(
  object: ListedObject,
  encode: (text: string) => string,
  by: XmlTree | undefined,
): XmlTree {
  return {
    Key: encode(object.key),
    LastModified: new Date(object.lastModified).toISOString(),
    ETag: `"${object.etag}"`,
    Size: object.size,
    Owner: by,
    StorageClass: object.storageClass,
  }
}
