import { boundHeaders, ENVELOPE_METADATA_NAME, metadataHash } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type {
  ObjectAttributes,
  ObjectHeaders,
  StorageClass,
  StorageLimits,
  UserMetadata,
} from '../storage/storage.ts'

/** What a client asks to be kept with an object. */
export interface ClientAttributes {
  readonly headers: ObjectHeaders
  readonly metadata: UserMetadata
  readonly storageClass: StorageClass
}

/** S3's own limit on user metadata: names and values together (S3 User Guide, "Working with object metadata"). */
const S3_METADATA_BYTES = 2048

/** The hash that the envelope binds, of exactly what will be stored. */
export function hashOf(attributes: Pick<ObjectAttributes, 'headers' | 'metadata'>): Buffer {
  return metadataHash(attributes.headers, attributes.metadata)
}

/** Fills in S3's default content type and refuses what S3 refuses, before anything is stored. */
export function checkedAttributes(attributes: ClientAttributes): ClientAttributes {
  const names = Object.keys(attributes.metadata)
  if (
    names.some((name) => name === ENVELOPE_METADATA_NAME || name.startsWith(`${ENVELOPE_METADATA_NAME}-`))
  ) {
    throw new SealgateError('InvalidArgument', 'The metadata name x-amz-meta-sealgate is reserved.')
  }
  if (sizeOf(attributes.metadata) > S3_METADATA_BYTES)
    throw tooLarge(sizeOf(attributes.metadata), S3_METADATA_BYTES)
  return {
    ...attributes,
    headers: { 'content-type': 'binary/octet-stream', ...attributes.headers },
  }
}

/** The attributes with the envelope among them, as the store keeps them. */
export function withEnvelope(
  attributes: ClientAttributes,
  envelope: string,
  limits: StorageLimits,
): ObjectAttributes {
  const metadata = { ...attributes.metadata, [ENVELOPE_METADATA_NAME]: envelope }
  if (sizeOf(metadata) > limits.maxMetadataBytes) throw tooLarge(sizeOf(metadata), limits.maxMetadataBytes)
  return { headers: attributes.headers, metadata, storageClass: attributes.storageClass }
}

/** What clients see of stored attributes: what the envelope binds of them, which leaves itself out in any case. */
export function clientAttributes(stored: ObjectAttributes): ClientAttributes {
  const metadata = Object.entries(stored.metadata).filter(
    ([name]) => name.toLowerCase() !== ENVELOPE_METADATA_NAME,
  )
  return {
    headers: boundHeaders(stored.headers),
    metadata: Object.fromEntries(metadata),
    storageClass: stored.storageClass,
  }
}

function sizeOf(metadata: UserMetadata): number {
  return Object.entries(metadata).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
}

function tooLarge(size: number, limit: number): SealgateError {
  return new SealgateError(
    'MetadataTooLarge',
    `Your metadata headers (${size} bytes with the envelope that encryption adds) exceed the maximum allowed metadata size (${limit} bytes).`,
    {
      details: { Size: String(size), MaxSizeAllowed: String(limit) },
    },
  )
}
