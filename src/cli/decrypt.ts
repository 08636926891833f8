import { tmpdir } from 'node:os'
import { StartupError } from '../app.ts'
import { loadConfig } from '../config/config.ts'
import { openOffline } from '../offline.ts'
import type { ConfirmedChecksum } from '../recovery/checksum-check.ts'
import { clientAttributes, describeKey } from '../recovery/describe.ts'
import { spool } from '../recovery/file-source.ts'
import { decodeEnvelope, type LogicalName, type RecoveryKeys } from '../recovery/open-sealed.ts'
import { beginReading, beginStream, drain, type Reading } from '../recovery/reading.ts'
import { shown } from '../recovery/shown.ts'
import { parseRange, type RangeRequest } from '../recovery/slice.ts'
import { decryptTree } from './decrypt-tree.ts'
import { OutputFile } from './output-file.ts'
import { Progress } from './progress.ts'
import {
  type Input,
  type Location,
  locate,
  logicalName,
  openDownloaded,
  openStored,
  type RecoveryOptions,
} from './recovery-input.ts'
import { keysFor, offlineOptions, recoveryKeys } from './recovery-keys.ts'
import { boundYoungGeneration } from './young-generation.ts'

export interface DecryptOptions extends RecoveryOptions {
  readonly output?: string
  readonly range?: string
  readonly overwrite?: boolean
}

/** Opens one object, or all below a prefix of the store. */
export async function decrypt(source: string, given: DecryptOptions): Promise<void> {
  boundYoungGeneration()
  const options = withoutDash(given)
  const location = locate(source, options)
  if (location.kind === 'tree') return decryptTree(location, options)
  const name = logicalName(location, options)
  const range = rangeOf(options.range)
  const closers: Closer[] = []
  try {
    const { keys, input } = await open(location, range, options, closers)
    const reading =
      input.kind === 'object'
        ? await beginReading(keys, name, input.sealed, range, options)
        : await beginStream(keys, name, input.stream, options)
    const checksums = await deliver(shown(name.key), reading, options.output)
    report(name, reading, checksums, options)
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** `-o -` means standard output, as where none is named. */
function withoutDash({ output, ...options }: DecryptOptions): DecryptOptions {
  return output === undefined || output === '-' ? options : { ...options, output }
}

/** Lets go of something that was opened. */
type Closer = () => Promise<void>

async function open(
  location: Exclude<Location, { kind: 'tree' }>,
  range: RangeRequest | null,
  options: DecryptOptions,
  closers: Closer[],
): Promise<{ readonly keys: RecoveryKeys; readonly input: Input }> {
  const config = loadConfig(options.config, process.env)
  if (location.kind === 'object') {
    const offline = await openOffline(config, offlineOptions(options))
    closers.push(offline.close)
    return { keys: recoveryKeys(offline, options), input: await openStored(offline.storage, location) }
  }
  const downloaded = await openDownloaded(location, options)
  closers.push(downloaded.close)
  const { envelope } = downloaded.kind === 'object' ? downloaded.sealed : downloaded.stream
  const keys = await keysFor(config, options, envelope)
  closers.push(async () => keys.close())
  const input = await usable(downloaded, range)
  if (input !== downloaded) closers.push(input.close)
  return { keys, input }
}

/** The footer is the end of a stream, and a range may begin anywhere: what is sealed lies in a file then. */
async function usable(input: Input, range: RangeRequest | null): Promise<Input> {
  if (input.kind === 'object') return input
  const { stream } = input
  if (range === null && decodeEnvelope(stream).kind === 'single') return input
  const file = await spool(stream.body, tmpdir())
  return { kind: 'object', sealed: { ...stream, ...file }, close: file.close }
}

async function deliver(
  label: string,
  reading: Reading,
  output: string | undefined,
): Promise<readonly ConfirmedChecksum[]> {
  const progress = new Progress({ label, unit: 'bytes', total: reading.size })
  let file: OutputFile | null = null
  try {
    if (output !== undefined) file = await OutputFile.create(output)
    const checksums = await drain(reading.plain, async (chunk) => {
      await (file === null ? toStandardOutput(chunk) : file.write(chunk))
      progress.advance(chunk.length)
    })
    await file?.commit()
    return checksums
  } finally {
    progress.end()
    await file?.discard()
    reading.object.objectKey.destroy()
  }
}

function toStandardOutput(chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    // Without a listener a reader that went away ends the process with a stack.
    if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => undefined)
    process.stdout.write(chunk, (error) => {
      if (error === null || error === undefined) resolve()
      else reject(new StartupError(`Standard output cannot be written: ${error.message}.`))
    })
  })
}

function rangeOf(text: string | undefined): RangeRequest | null {
  if (text === undefined) return null
  const range = parseRange(text)
  if (range === null)
    throw new StartupError(
      `--range ${text} is no range: give A-B (both included, from 0), A- or -N (the last N bytes).`,
    )
  return range
}

/** Where plaintext went to standard output the report goes to standard error. */
function report(
  { bucket, key }: LogicalName,
  { object, objectSize, slice, size }: Reading,
  checksums: readonly ConfirmedChecksum[],
  { output, json, versionId }: DecryptOptions,
): void {
  const print = output === undefined ? console.error : console.log
  const { envelope, metadata } = object
  if (json === true) {
    const { wrappedDekBytes: _, ...key } = describeKey(envelope)
    const found = { kind: envelope.kind, ...key }
    const version = versionId === undefined ? {} : { versionId }
    const what = { bucket, key, ...version, output: output ?? '-', size: objectSize, range: slice }
    print(JSON.stringify({ ...what, ...found, metadata, ...clientAttributes(object), checksums }))
    return
  }
  if (metadata !== 'authentic')
    console.error(
      `sealgate: the metadata were ${metadata === 'changed' ? 'changed, and ignored' : 'not given, so not checked'}; the content is authentic.`,
    )
  if (output === undefined) return
  const ofVersion = versionId === undefined ? '' : ` (version ${versionId})`
  const names = checksums.map(({ algorithm }) => algorithm)
  const checked = ['every segment', ...(slice === null ? ['padding', 'footer', ...names] : [])]
  console.log(
    `${output}: ${size} bytes of s3://${bucket}/${key}${ofVersion}; verified: ${checked.join(', ')}`,
  )
}
