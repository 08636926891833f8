import { SealgateError } from '../../errors.ts'
import {
  getBucketVersioning,
  putBucketVersioning,
  type VersioningStatus,
} from '../../gateway/bucket-versioning.ts'
import {
  type ListedDeleteMarker,
  type ListedVersion,
  listObjectVersions,
} from '../../gateway/list-object-versions.ts'
import type { Answer, Context } from '../context.ts'
import { readSmallBody } from '../request-body.ts'
import { checkedVersionId } from '../version-id.ts'
import { childText, parseXml, type XmlTree } from '../xml.ts'
import { contents, listRequest } from './list.ts'
import { keyEncoder, owner, xmlAnswer } from './shared.ts'

const MAX_CONFIGURATION_BYTES = 64 * 1024

/** A bucket that never had versions answers without a Status. */
export async function GetBucketVersioning(context: Context): Promise<Answer> {
  const status = await getBucketVersioning(context.gateway, context.bucket)
  return xmlAnswer('VersioningConfiguration', { Status: status ?? undefined })
}

export async function PutBucketVersioning(context: Context): Promise<Answer> {
  const body = context.body(MAX_CONFIGURATION_BYTES)
  const status = readStatus(await readSmallBody(body, MAX_CONFIGURATION_BYTES))
  await putBucketVersioning(context.gateway, context.bucket, status)
  return { status: 200, headers: { 'content-length': 0 } }
}

function readStatus(bytes: Buffer): VersioningStatus {
  const root = parseXml(bytes)
  if (root.name !== 'VersioningConfiguration') throw new SealgateError('MalformedXML')
  const mfaDelete = childText(root, 'MfaDelete')?.trim() ?? 'Disabled'
  if (mfaDelete !== 'Disabled')
    throw new SealgateError(
      'NotImplemented',
      'MFA delete is not implemented: the gateway signs for itself at its store, and has no second factor of its clients. Leave MfaDelete out, or send Disabled.',
    )
  const status = childText(root, 'Status')?.trim()
  if (status === undefined) throw new SealgateError('IllegalVersioningConfigurationException')
  if (status !== 'Enabled' && status !== 'Suspended') throw new SealgateError('MalformedXML')
  return status
}

export async function ListObjectVersions(context: Context): Promise<Answer> {
  const { query } = context.target
  const { encode, type } = keyEncoder(context)
  const keyMarker = query.get('key-marker') ?? ''
  const versionIdMarker = query.get('version-id-marker')
  if (versionIdMarker !== undefined && keyMarker === '') {
    throw new SealgateError(
      'InvalidArgument',
      'A version-id marker cannot be specified without a key marker.',
      { details: { ArgumentName: 'version-id-marker', ArgumentValue: versionIdMarker } },
    )
  }
  const request = listRequest(context)
  const page = await listObjectVersions(context.gateway, {
    ...request,
    keyMarker,
    versionIdMarker: versionIdMarker ? checkedVersionId(versionIdMarker, 'version-id-marker') : '',
  })
  return xmlAnswer('ListVersionsResult', {
    Name: context.bucket,
    Prefix: encode(request.prefix),
    KeyMarker: encode(keyMarker),
    VersionIdMarker: versionIdMarker ?? '',
    NextKeyMarker: page.nextKeyMarker === '' ? undefined : encode(page.nextKeyMarker),
    NextVersionIdMarker: page.nextVersionIdMarker === '' ? undefined : page.nextVersionIdMarker,
    MaxKeys: request.maxKeys,
    Delimiter: request.delimiter === '' ? undefined : encode(request.delimiter),
    IsTruncated: page.isTruncated,
    EncodingType: type,
    // In one order: there are clients that read it off the document.
    '': page.versions.map((version) => entry(version, encode, owner(context))),
    CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encode(prefix) })),
  })
}

function entry(
  version: ListedVersion | ListedDeleteMarker,
  encode: (text: string) => string,
  by: XmlTree,
): XmlTree {
  const { versionId, isLatest } = version
  const which = { VersionId: versionId, IsLatest: isLatest }
  if (!version.isDeleteMarker) return { Version: { ...contents(version, encode, by), ...which } }
  const { key, lastModified } = version
  return {
    DeleteMarker: {
      Key: encode(key),
      LastModified: new Date(lastModified).toISOString(),
      Owner: by,
      ...which,
    },
  }
}
