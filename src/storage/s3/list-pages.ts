import { SealgateError } from '../../errors.ts'
import type { ListedObject, ListObjectsRequest, ListObjectsResult } from '../storage.ts'

/** A token of the store. */
const STORE = 't1.'
/** The name that the page before this one ended with. */
const NAME = 'n1.'

export interface PageStart {
  /** The store's own. */
  readonly token?: string
  /** Empty for the start, or where the token says it. */
  readonly after: string
}

/** Where a page of a list begins. InvalidArgument for a token that is none of these. */
export function pageStart({ continuationToken: token, startAfter }: ListObjectsRequest): PageStart {
  if (token === undefined) return { after: startAfter }
  const encoded = token.slice(STORE.length)
  const text = Buffer.from(encoded, 'base64url').toString()
  if (text !== '' && Buffer.from(text).toString('base64url') === encoded) {
    if (token.startsWith(STORE)) return { token: text, after: '' }
    if (token.startsWith(NAME)) return { after: text }
  }
  throw new SealgateError('InvalidArgument', 'The continuation token provided is incorrect', {
    details: { ArgumentName: 'continuation-token' },
  })
}

/** In characters that need no encoding anywhere. */
export function storeToken(token: string): string {
  return STORE + Buffer.from(token).toString('base64url')
}

/** The first names of a page that may have too many, and where the next page begins. */
export function cutPage(
  page: { readonly objects: readonly ListedObject[]; readonly commonPrefixes: readonly string[] },
  maxKeys: number,
  more: boolean,
): ListObjectsResult {
  const names = [...page.objects.map(({ key }) => key), ...page.commonPrefixes]
    .map((name) => ({ name, bytes: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name)
  const kept = new Set(names.slice(0, maxKeys))
  const objects = page.objects.filter(({ key }) => kept.has(key))
  const commonPrefixes = page.commonPrefixes.filter((prefix) => kept.has(prefix))
  const last = names[kept.size - 1]
  if (last === undefined || (!more && names.length <= maxKeys)) return { objects, commonPrefixes }
  const next = NAME + Buffer.from(last).toString('base64url')
  return { objects, commonPrefixes, next, nextMarker: last }
}
