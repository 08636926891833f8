/** One request to the emulated server, and what all its operations read of it. */
import { isError, SealgateError } from '../../src/errors.ts'
import type { RequestHeaders } from '../../src/s3/headers.ts'
import type { requestBody } from '../../src/s3/request-body.ts'
import type { Target } from '../../src/s3/target.ts'
import { type XmlTree, xmlDocument } from '../../src/s3/xml.ts'
import type { ObjectMarks } from '../../src/storage/marks.ts'
import type { ObjectAttributes, Storage, WriteCondition } from '../../src/storage/storage.ts'
import type { Versioning } from '../../src/storage/versioning.ts'
import type { Locks } from './s3-locks.ts'
import type { KeptSubresources } from './s3-subresources.ts'

/**
 * What a server may take no notice of. `decoded`: that it has decoded the source of a part already; `folding`: that pages are of what is
 * shown; `part-marker`: a marker that is the number of no part, behind which it then has nothing; `underscores`: that names of metadata
 * differ by them; `upload-prefixes`: what it has folded of a list of uploads; `versions`: that there are such; `versioned-conditions`:
 * conditions in buckets with versions; `version-ids`: which version is asked for; `upload-marks`: tags and locks of an upload;
 * `name-parts`: parts of a name that are empty or `.`;
 * `name-encoding`: that names in lists are to be encoded; `delete-markers`: in conditions, that a key is hidden by one; `upload-markers`: which
 * upload a page begins behind; `version-markers`: that a page begins behind a version.
 */
export type Ignored =
  | 'copy-source-if-match'
  | 'put'
  | 'copy'
  | 'complete'
  | 'delete'
  | 'decoded'
  | 'folding'
  | 'part-marker'
  | 'versions'
  | 'underscores'
  | 'upload-prefixes'
  | 'versioned-conditions'
  | 'version-ids'
  | 'upload-marks'
  | 'name-parts'
  | 'name-encoding'
  | 'delete-markers'
  | 'upload-markers'
  | 'version-markers'

export interface Call {
  readonly storage: Storage
  readonly subresources: KeptSubresources
  readonly locks: Locks
  readonly target: Target
  readonly bucket: string
  readonly key: string
  readonly query: (name: string) => string | undefined
  readonly headers: RequestHeaders
  readonly body: () => ReturnType<typeof requestBody>
  readonly ignores: ReadonlySet<Ignored>
  readonly maxCopyBytes: number
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | AsyncIterable<Uint8Array>
}

export type Operations = Readonly<Record<string, (call: Call) => Promise<Answer>>>

export async function condition(call: Call, write: Ignored): Promise<WriteCondition | undefined> {
  const { headers, ignores, storage, bucket } = call
  if (ignores.has(write)) return undefined
  if (ignores.has('versioned-conditions') && (await storage.versioning?.getBucketVersioning(bucket)) != null)
    return undefined
  if (ignores.has('delete-markers') && (await isHidden(call))) {
    if (headers.get('if-none-match') === '*') throw new SealgateError('PreconditionFailed')
    return undefined
  }
  if (headers.get('if-none-match') === '*') return { ifNoneMatch: '*' }
  const ifMatch = unquoted(headers.get('if-match'))
  return ifMatch === undefined ? undefined : { ifMatch }
}

async function isHidden({ storage, bucket, key }: Call): Promise<boolean> {
  return storage.headObject({ bucket, key }).then(
    () => false,
    (error: unknown) => isError(error, 'NoSuchKey') && error.headers['x-amz-delete-marker'] === 'true',
  )
}

const KEPT =
  /^(cache-control|content-(disposition|encoding|language|type)|expires|x-amz-website-redirect-location)$/

export function attributes({ headers, ignores }: Call): ObjectAttributes & { readonly marks: ObjectMarks } {
  const kept = (name: string) => (ignores.has('underscores') ? name.replaceAll('_', '-') : name)
  const entries = headers.names().map((name) => [name, headers.get(name) ?? ''] as const)
  const metadata = entries.filter(([name]) => name.startsWith('x-amz-meta-'))
  return {
    headers: Object.fromEntries(entries.filter(([name]) => KEPT.test(name))),
    metadata: Object.fromEntries(metadata.map(([name, value]) => [kept(name.slice(11)), value])),
    marks: tagged(headers),
    storageClass: headers.get('x-amz-storage-class') ?? 'STANDARD',
  }
}

/** A copy has its source's tags unless its directive says otherwise. */
function tagged(headers: RequestHeaders): ObjectMarks {
  const isCopy = headers.get('x-amz-copy-source') !== undefined
  if (isCopy && headers.get('x-amz-tagging-directive') !== 'REPLACE') return {}
  const tags = [...new URLSearchParams(headers.get('x-amz-tagging') ?? '')]
  return { tags: tags.map(([key, value]) => ({ key, value })) }
}

export function versioningOf({ storage, ignores }: Call): Versioning {
  if (storage.versioning === null || ignores.has('versions')) throw new SealgateError('NotImplemented')
  return storage.versioning
}

export function version(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId }
}

export function xml(root: string, content: XmlTree, headers: Readonly<Record<string, string>> = {}): Answer {
  return { headers: { 'content-type': 'application/xml', ...headers }, body: xmlDocument(root, content) }
}

export function unquoted(etag: string | undefined): string | undefined {
  return etag?.replaceAll('"', '')
}

export function iso(time: number): string {
  return new Date(time).toISOString()
}
