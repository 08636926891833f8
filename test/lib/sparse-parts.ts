/**
 * A store that need not hold what nobody reads: parts may be planted by their length alone, so that an object of 10 000 parts takes the room
 * of those that are real. What was planted reads as zeros.
 */
import { createHash, randomBytes } from 'node:crypto'
import { SealgateError } from '../../src/errors.ts'
import type {
  CompleteMultipartUploadRequest,
  CreateMultipartUploadRequest,
  GetObjectRequest,
  GetObjectResult,
  ListPartsRequest,
  ListPartsResult,
  ObjectAttributes,
  ObjectName,
  PutObjectResult,
  Storage,
  StoredObject,
  UploadPartRequest,
} from '../../src/storage/storage.ts'
import { collect, oneChunk } from './bytes.ts'

interface Part {
  readonly etag: string
  readonly size: number
  /** Null for zeros. */
  readonly bytes: Buffer | null
}

interface SparseObject {
  readonly stored: StoredObject
  readonly parts: readonly Part[]
}

export class SparseParts {
  readonly #attributes = new Map<string, ObjectAttributes>()
  readonly #parts = new Map<string, Map<number, Part>>()
  readonly #objects = new Map<string, SparseObject>()

  /** A part of an upload that nobody sends; its ETag. */
  plant(uploadId: string, partNumber: number, size: number): string {
    const etag = randomBytes(16).toString('hex')
    this.#of(uploadId).set(partNumber, { etag, size, bytes: null })
    return etag
  }

  #of(uploadId: string): Map<number, Part> {
    const parts = this.#parts.get(uploadId) ?? new Map<number, Part>()
    this.#parts.set(uploadId, parts)
    return parts
  }

  readonly wrap = (storage: Storage): Storage => {
    const own: Partial<Storage> = {
      createMultipartUpload: async (request: CreateMultipartUploadRequest) => {
        const begun = await storage.createMultipartUpload(request)
        this.#attributes.set(begun.uploadId, request)
        return begun
      },
      uploadPart: async ({ uploadId, partNumber, body }: UploadPartRequest) => {
        const bytes = await collect(body)
        const etag = createHash('md5').update(bytes).digest('hex')
        this.#of(uploadId).set(partNumber, { etag, size: bytes.length, bytes })
        return { etag }
      },
      listParts: async (request: ListPartsRequest) => this.#list(request),
      completeMultipartUpload: async (request: CompleteMultipartUploadRequest) => this.#complete(request),
      headObject: async (request: ObjectName) =>
        this.#objects.get(nameOf(request))?.stored ?? storage.headObject(request),
      getObject: async (request: GetObjectRequest) => {
        const object = this.#objects.get(nameOf(request))
        return object === undefined ? storage.getObject(request) : read(object, request)
      },
    }
    return new Proxy(storage, {
      get(target, name: keyof Storage) {
        const value = own[name] ?? target[name]
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #list({ uploadId, partNumberMarker, maxParts }: ListPartsRequest): ListPartsResult {
    const behind = [...this.#of(uploadId)]
      .filter(([partNumber]) => partNumber > partNumberMarker)
      .sort(([a], [b]) => a - b)
    const parts = behind
      .slice(0, maxParts)
      .map(([partNumber, { etag, size }]) => ({ partNumber, etag, size, lastModified: Date.now() }))
    return { parts, isTruncated: behind.length > parts.length, storageClass: 'STANDARD' }
  }

  #complete({ uploadId, parts, ...name }: CompleteMultipartUploadRequest): PutObjectResult {
    const found = parts.map(({ partNumber, etag }) => {
      const part = this.#of(uploadId).get(partNumber)
      if (part === undefined || part.etag !== etag) throw new SealgateError('InvalidPart')
      return part
    })
    const attributes = this.#attributes.get(uploadId)
    if (attributes === undefined) throw new SealgateError('NoSuchUpload')
    const { headers, metadata, storageClass } = attributes
    const stored: StoredObject = {
      ...{ headers, metadata, storageClass },
      size: found.reduce((sum, { size }) => sum + size, 0),
      etag: `${randomBytes(16).toString('hex')}-${found.length}`,
      lastModified: Math.floor(Date.now() / 1000) * 1000,
    }
    this.#objects.set(nameOf(name), { stored, parts: found })
    return stored
  }
}

function nameOf({ bucket, key }: ObjectName): string {
  return `${bucket}/${key}`
}

function read({ stored, parts }: SparseObject, { range, ifMatch }: GetObjectRequest): GetObjectResult {
  if (ifMatch !== undefined && ifMatch !== stored.etag) throw new SealgateError('PreconditionFailed')
  const [start, last] =
    range === undefined
      ? [0, stored.size - 1]
      : 'suffix' in range
        ? [Math.max(0, stored.size - range.suffix), stored.size - 1]
        : [range.start, range.end]
  if (start >= stored.size) throw new SealgateError('InvalidRange')
  const end = Math.min(last, stored.size - 1)
  const bytes = Buffer.alloc(end - start + 1)
  let at = 0
  for (const part of parts) {
    const from = Math.max(start, at)
    const to = Math.min(end + 1, at + part.size)
    if (from < to) part.bytes?.copy(bytes, from - start, from - at, to - at)
    at += part.size
  }
  const body = { destroy: () => undefined, [Symbol.asyncIterator]: () => oneChunk(bytes) }
  return { object: stored, start, end, body }
}
