import type { XmlElement } from '../base/xml-reader.ts'

/**
 * An optional power of a store: it keeps the documents of S3's sub-resources (tags, CORS rules, lifecycle rules, …) with its buckets and
 * objects, and acts on them itself where they ask for that. Whoever calls has checked what goes in, and checks what comes out.
 */
export interface Subresources {
  /** Whether this store keeps it at all; what it keeps may still be refused by the server behind it. */
  keeps(on: 'bucket' | 'object', name: string): boolean
  /** The kind of the failure says what is missing: the bucket, the object, or (S3 has a code for each) the document. */
  readSubresource(request: SubresourceRequest): Promise<SubresourceAnswer>
  /** In place of what was there. */
  writeSubresource(request: SubresourceRequest, document: SubresourceDocument): Promise<AnswerHeaders>
  /** Succeeds also if nothing is there. */
  removeSubresource(request: SubresourceRequest): Promise<AnswerHeaders>
  /** What the server itself calls a bucket: for documents that name one. NoSuchBucket for a name that no client may use. */
  storedBucket(bucket: string): string
  /** The other way round; null for a bucket that is none of this deployment's. */
  shownBucket(stored: string): string | null
}

export interface SubresourceRequest {
  readonly bucket: string
  /** An object's; without it the bucket's. */
  readonly key?: string | undefined
  readonly versionId?: string | undefined
  /** As it stands in the query: `tagging`, `cors`, … */
  readonly name: string
  /** More of the query: `id`, `continuation-token`. */
  readonly query?: Readonly<Record<string, string>> | undefined
  /** Headers that belong to it, lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

/** Text is JSON: policies are no XML. Null is none: the headers say it all. */
export type SubresourceDocument = XmlElement | string | null

/** Lower-case names. */
export type AnswerHeaders = Readonly<Record<string, string>>

export interface SubresourceAnswer {
  readonly document: SubresourceDocument
  readonly headers: AnswerHeaders
}
