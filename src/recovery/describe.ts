import { isUtf8 } from 'node:buffer'
import { ENVELOPE_METADATA_NAME, type Envelope, plainSize } from '../envelope/index.ts'
import type { MetadataVerdict, OpenedObject } from './open-sealed.ts'
import type { Tail } from './read-tail.ts'

/** What an envelope says by itself, without any key: not authentic. */
export interface ClearDescription {
  readonly name: string
  readonly version: 1
  readonly suite: 'HKDF-SHA-256, AES-256-GCM'
  readonly kind: 'single' | 'multipart'
  /** Whose key opens it: a data key of the key service, or a key that only the customer has (SSE-C), and then the next three are null. */
  readonly keySource: 'dek' | 'customer'
  readonly dekId: string | null
  readonly cmkId: string | null
  readonly wrappedDekBytes: number | null
  /** Stored bytes; null while a stream has not been read. */
  readonly storedSize: number | null
  /** By the envelope or, for multipart, by the stored length; null if that fits no object. */
  readonly plainSize: number | null
}

/** What was opened: authentic. */
export interface OpenedDescription {
  readonly metadata: MetadataVerdict
  readonly headers: Readonly<Record<string, string>> | null
  readonly userMetadata: Readonly<Record<string, string>> | null
  /** Null without the object's bytes, as are the parts. */
  readonly checksums: readonly DescribedChecksum[] | null
  /** Empty for a single PUT. */
  readonly parts: readonly DescribedPart[] | null
}

export interface DescribedChecksum {
  readonly algorithm: string
  readonly type: string
  /** Base64; behind a composite one a hyphen and the number of parts. */
  readonly value: string
}

export interface DescribedPart {
  readonly partNumber: number
  readonly size: number
  readonly storedStart: number
  readonly storedSize: number
  readonly checksum: string | null
}

export function describeEnvelope(
  name: string,
  envelope: Envelope,
  storedSize: number | null,
): ClearDescription {
  return {
    name,
    version: 1,
    suite: 'HKDF-SHA-256, AES-256-GCM',
    kind: envelope.kind,
    ...describeKey(envelope),
    storedSize,
    plainSize: envelope.plainSize ?? (storedSize === null ? null : plainSize(storedSize)),
  }
}

export function describeKey(
  envelope: Envelope,
): Pick<ClearDescription, 'keySource' | 'dekId' | 'cmkId' | 'wrappedDekBytes'> {
  const { keySource } = envelope
  if (keySource === 'customer') return { keySource, dekId: null, cmkId: null, wrappedDekBytes: null }
  const { dekId, cmkId, wrapped } = envelope
  return { keySource, dekId: dekId.toString('hex'), cmkId, wrappedDekBytes: wrapped.length }
}

/** @param tail null if there is only the envelope */
export function describeOpened(object: OpenedObject, tail: Tail | null): OpenedDescription {
  return {
    metadata: object.metadata,
    ...clientAttributes(object),
    checksums: tail === null ? null : checksumsOf(tail),
    parts: tail === null ? null : partsOf(tail),
  }
}

/** What clients see of the metadata: all but the envelope. */
export function clientAttributes({
  attributes,
}: OpenedObject): Pick<OpenedDescription, 'headers' | 'userMetadata'> {
  if (attributes === null) return { headers: null, userMetadata: null }
  const { [ENVELOPE_METADATA_NAME]: _envelope, ...userMetadata } = attributes.metadata
  return { headers: readable(attributes.headers), userMetadata: readable(userMetadata) }
}

/** Values are bytes, and mostly UTF-8. */
function readable(map: Readonly<Record<string, string>>): Record<string, string> {
  const text = (value: string) => {
    const bytes = Buffer.from(value, 'latin1')
    return isUtf8(bytes) ? bytes.toString('utf8') : value
  }
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, text(value)]))
}

function checksumsOf({ footer: { checksums, parts } }: Tail): readonly DescribedChecksum[] {
  const type = checksums.type ?? 'FULL_OBJECT'
  const count = type === 'COMPOSITE' ? `-${parts.length}` : ''
  const values = checksums.values.map(({ algorithm, value }) => {
    return { algorithm, type, value: `${value.toString('base64')}${count}` }
  })
  const { md5 } = checksums
  return md5 === undefined
    ? values
    : [...values, { algorithm: 'MD5', type: 'FULL_OBJECT', value: md5.toString('base64') }]
}

function partsOf({ footer, parts }: Tail): readonly DescribedPart[] {
  return footer.parts.map(({ partNumber, size, checksum }, index) => ({
    partNumber,
    size,
    storedStart: parts[index]?.storedStart ?? 0,
    storedSize: parts[index]?.storedSize ?? 0,
    checksum: checksum.length === 0 ? null : checksum.toString('base64'),
  }))
}
