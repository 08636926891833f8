import { writeXml } from '../../base/xml-writer.ts'
import {
  deleteBucketEncryption,
  getBucketEncryption,
  putBucketEncryption,
} from '../../gateway/bucket-encryption.ts'
import type { Answer, Context } from '../context.ts'
import { readSmallBody } from '../request-body.ts'
import { parseXml } from '../xml.ts'

const MAX_DOCUMENT_BYTES = 64 * 1024

export async function GetBucketEncryption(context: Context): Promise<Answer> {
  const document = await getBucketEncryption(context.gateway, context.bucket)
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: writeXml(document) }
}

export async function PutBucketEncryption(context: Context): Promise<Answer> {
  const bytes = await readSmallBody(context.body(MAX_DOCUMENT_BYTES), MAX_DOCUMENT_BYTES)
  await putBucketEncryption(context.gateway, context.bucket, parseXml(bytes))
  return { status: 200, headers: { 'content-length': 0 } }
}

export async function DeleteBucketEncryption(context: Context): Promise<Answer> {
  await deleteBucketEncryption(context.gateway, context.bucket)
  return { status: 204 }
}
