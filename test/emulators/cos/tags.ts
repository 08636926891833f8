/** Tags of objects, by header and by document. */
import { childrenOf, childText } from '../../../src/base/xml-reader.ts'
import type { ObjectVersion, Tag } from './bucket.ts'
import type { Answer, Call } from './call.ts'
import { CosRefusal } from './refusal.ts'
import { readQuery } from './target.ts'
import { cosDocument, parseDocument } from './xml.ts'

const MAX_TAGS = 10

/** `k=v&k2=v2` */
export function parseTags(header: string | undefined): readonly Tag[] {
  const tags = [...readQuery((header ?? '').replaceAll('+', ' '))].map(([Key, Value]) => ({ Key, Value }))
  return checked(tags)
}

function checked(tags: readonly Tag[]): readonly Tag[] {
  const isTwice = new Set(tags.map(({ Key }) => Key)).size < tags.length
  const isBad = tags.some(({ Key, Value }) => Key === '' || Key.length > 128 || Value.length > 256)
  if (tags.length > MAX_TAGS || isTwice || isBad) throw new CosRefusal('InvalidTag')
  return tags
}

export function getObjectTagging(call: Call): Answer {
  const object = named(call)
  if (object.tags.length === 0) throw new CosRefusal('NoSuchTagSet')
  const Tag = object.tags.map(({ Key, Value }) => ({ Key, Value }))
  return { headers: versionHeader(call, object), body: cosDocument('Tagging', { TagSet: { Tag } }) }
}

export async function putObjectTagging(call: Call): Promise<Answer> {
  const bytes = await call.document()
  const tagSet = childrenOf(parseDocument(bytes), 'TagSet')[0]
  if (tagSet === undefined) throw new CosRefusal('MalformedXML')
  const tags = childrenOf(tagSet, 'Tag').map((tag) => ({
    Key: childText(tag, 'Key') ?? '',
    Value: childText(tag, 'Value') ?? '',
  }))
  return change(call, checked(tags), 200)
}

export function deleteObjectTagging(call: Call): Answer {
  return change(call, [], 204)
}

function change(call: Call, tags: readonly Tag[], status: number): Answer {
  const object = named(call)
  call.bucket.replace(call.key, object, { ...object, tags })
  return { status, headers: versionHeader(call, object) }
}

function named({ bucket, key, query }: Call): ObjectVersion {
  return bucket.find(key, query('versionId'))
}

function versionHeader({ bucket }: Call, { versionId }: ObjectVersion): Record<string, string> {
  return bucket.versioning === null ? {} : { 'x-cos-version-id': versionId }
}
