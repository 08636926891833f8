import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { StartupError } from '../app.ts'
import { openFile } from '../recovery/file-source.ts'
import {
  MAX_DOCUMENT_BYTES,
  type MetadataDocument,
  parseMetadataDocument,
} from '../recovery/metadata-document.ts'
import type { LogicalName } from '../recovery/open-sealed.ts'
import type { SealedBytes, SealedObject } from '../recovery/sealed-object.ts'
import { sealedInStore } from '../recovery/store-source.ts'
import type { ObjectVersionName, Storage } from '../storage/storage.ts'
import { MAX_VERSION_ID_LENGTH } from '../storage/versioning.ts'

/** The options that decrypt and inspect share. */
export interface RecoveryOptions {
  readonly config?: string
  readonly bucket?: string
  readonly key?: string
  readonly metadata?: string
  readonly envelope?: string
  readonly realm?: string
  readonly ring?: string
  readonly versionId?: string
  readonly customerKey?: string
  readonly ignoreMetadata?: boolean
  readonly recursive?: boolean
  readonly exact?: boolean
  readonly json?: boolean
}

/** What an argument names. */
export type Location =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stdin' }
  | {
      readonly kind: 'object'
      readonly bucket: string
      readonly key: string
      readonly versionId?: string | undefined
    }
  /** An empty bucket stands for all. */
  | { readonly kind: 'tree'; readonly bucket: string; readonly prefix: string }

/**
 * `s3://bucket/key` as it stands, without any decoding. A key that ends in `/`, or none, means all objects below it, and no bucket all
 * buckets.
 */
export function locate(source: string, options: RecoveryOptions): Location {
  const location = named(source, options)
  const { versionId } = options
  if (versionId === undefined) return location
  if (location.kind !== 'object') throw new StartupError(VERSION_OF_NOTHING)
  if (!VERSION_ID.test(versionId))
    throw new StartupError('--version-id is none: give it as aws s3api list-object-versions shows it.')
  return { ...location, versionId }
}

const VERSION_OF_NOTHING = '--version-id is for one object of the store: give it by s3://BUCKET/KEY.'
const VERSION_ID = new RegExp(`^[ -~]{1,${MAX_VERSION_ID_LENGTH}}$`)

function named(source: string, { recursive, exact }: RecoveryOptions): Location {
  if (source === '-') return { kind: 'stdin' }
  const [, bucket, key = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(source) ?? []
  if (bucket === undefined) return { kind: 'file', path: source }
  if (bucket === '' && key !== '') throw new StartupError(`${source} names no bucket: give s3://BUCKET/KEY.`)
  const all = recursive === true || (exact !== true && (key === '' || key.endsWith('/')))
  return all ? { kind: 'tree', bucket, prefix: key } : { kind: 'object', bucket, key }
}

/** An object that can be read anywhere, or a stream that can be read once. */
export type Input =
  | { readonly kind: 'object'; readonly sealed: SealedObject; close(): Promise<void> }
  | { readonly kind: 'stream'; readonly stream: SealedStream; close(): Promise<void> }

export interface SealedStream extends Omit<SealedObject, 'size' | 'read'> {
  readonly body: SealedBytes
}

/** A downloaded object and its metadata. */
export async function openDownloaded(
  location: Extract<Location, { kind: 'file' | 'stdin' }>,
  options: RecoveryOptions,
): Promise<Input> {
  const path = location.kind === 'file' ? location.path : null
  const isFile = path !== null && statSync(path).isFile()
  const given = await metadataOf(path, options)
  const { envelope, attributes } = given
  if (!isFile) {
    const body = path === null ? process.stdin : createReadStream(path)
    const name = path ?? 'standard input'
    return {
      kind: 'stream',
      stream: { name, envelope, attributes, body },
      close: async () => void body.destroy(),
    }
  }
  checkSize(path, statSync(path).size, given)
  const file = await openFile(path)
  return { kind: 'object', sealed: { name: path, envelope, attributes, ...file }, close: file.close }
}

/** An object of the store. */
export async function openStored(storage: Storage, name: ObjectVersionName): Promise<Input> {
  return { kind: 'object', sealed: await sealedInStore(storage, name), close: async () => undefined }
}

/** The names that the object was written under: for a downloaded one they must be given. */
export function logicalName(
  location: Exclude<Location, { kind: 'tree' }>,
  options: RecoveryOptions,
): LogicalName {
  const bucket = options.bucket ?? (location.kind === 'object' ? location.bucket : undefined)
  const key = options.key ?? (location.kind === 'object' ? location.key : undefined)
  if (bucket === undefined || key === undefined)
    throw new StartupError(
      'Say which object it is, by the names that clients use: --bucket NAME --key KEY. They are part of what was sealed.',
    )
  return { bucket, key }
}

/** An envelope without its object. */
export async function metadataAlone(options: RecoveryOptions): Promise<MetadataDocument & { name: string }> {
  if (options.versionId !== undefined) throw new StartupError(VERSION_OF_NOTHING)
  if (options.metadata === undefined && options.envelope === undefined)
    throw new StartupError('Name an object, or give its metadata alone: --metadata FILE or --envelope TEXT.')
  const name = options.metadata === undefined || options.metadata === '-' ? 'the envelope' : options.metadata
  return { ...(await readMetadata(options)), name }
}

async function metadataOf(path: string | null, options: RecoveryOptions): Promise<MetadataDocument> {
  if (path === null && options.metadata === '-')
    throw new StartupError('Standard input is the object: give its metadata by a file.')
  if (options.metadata !== undefined || options.envelope !== undefined) return readMetadata(options)
  const sidecar = `${path}.metadata.json`
  if (path !== null && existsSync(sidecar)) return readMetadata({ ...options, metadata: sidecar })
  throw new StartupError(
    `Give the object's metadata as the store has them: --metadata FILE${path === null ? '' : `, a file ${sidecar}`}, or its envelope alone: --envelope TEXT.`,
  )
}

async function readMetadata({ envelope, metadata, key }: RecoveryOptions): Promise<MetadataDocument> {
  if (envelope !== undefined && metadata !== undefined)
    throw new StartupError('Give --metadata or --envelope, not both.')
  if (metadata === '-') return parseMetadataDocument(await readStandardInput(), 'standard input', key)
  if (metadata !== undefined) return parseMetadataDocument(readLimited(metadata), metadata, key)
  return { envelope: envelope?.trim() ?? '', attributes: [], size: null }
}

function readLimited(file: string): string {
  if (statSync(file).size > MAX_DOCUMENT_BYTES) throw tooLong(file)
  return readFileSync(file, 'utf8')
}

async function readStandardInput(): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > MAX_DOCUMENT_BYTES) throw tooLong('standard input')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function tooLong(name: string): StartupError {
  return new StartupError(`${name} is too long for the metadata of an object. Is it the object itself?`)
}

function checkSize(path: string, size: number, document: MetadataDocument): void {
  if (document.size === null || document.size === size) return
  throw new StartupError(
    `${path} has ${size} bytes, and its metadata speak of ${document.size}: ${size < document.size ? 'the download is not complete' : 'they are of another object or version'}.`,
  )
}
