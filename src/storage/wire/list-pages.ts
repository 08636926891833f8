import { crc32 } from 'node:zlib'
import { SealgateError } from '../../errors.ts'
import type { ListedObject, ListObjectsRequest, ListObjectsResult } from '../storage.ts'

/** The last of all characters: behind a prefix with it, nothing is left that the prefix holds. Some stores take it for something else. */
export const LAST = '\u{10ffff}'

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
  const kind = token.slice(0, STORE.length)
  const text = Buffer.from(token.slice(kind.length), 'base64url').subarray(SUM_BYTES).toString()
  if (text !== '' && token === made(kind, text)) {
    if (kind === STORE) return { token: text, after: '' }
    if (kind === NAME) return { after: text }
  }
  throw new SealgateError('InvalidArgument', 'The continuation token provided is incorrect', {
    details: { ArgumentName: 'continuation-token' },
  })
}

export function storeToken(token: string): string {
  return made(STORE, token)
}

const SUM_BYTES = 4

/** In characters that need no encoding anywhere, with a sum: some stores take for a token whatever comes, and go on somewhere. */
function made(kind: string, text: string): string {
  const bytes = Buffer.alloc(SUM_BYTES + Buffer.byteLength(text))
  bytes.writeUInt32BE(crc32(text), 0)
  bytes.write(text, SUM_BYTES)
  return kind + bytes.toString('base64url')
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
  return { objects, commonPrefixes, next: made(NAME, last), nextMarker: last }
}
