/**
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1) as S3 takes it: fields, and behind them the file, which is a stream. Fields behind the
 * file are read over.
 */
import { trimBlanks } from '../../base/blanks.ts'
import { SealgateError } from '../../errors.ts'

/** Of the whole form but the content of the file (API reference, "POST Object"). */
export const MAX_FORM_BYTES = 20 * 1024

export interface FormField {
  /** As it was sent; names are the same in any case. */
  readonly name: string
  readonly value: string
}

export interface FormFile {
  /** Where in the body its content begins. */
  readonly offset: number
  /** Undefined if the part has none, which is not the same as an empty one. */
  readonly filename: string | undefined
  /** The content, as views of what came in; the iteration ends normally only if the form is well-formed to its end. */
  readonly bytes: AsyncGenerator<Uint8Array>
}

export interface Form {
  readonly fields: readonly FormField[]
  /** Null if the form ends without one. */
  readonly file: FormFile | null
}

/**
 * @param body read up to the content of the file, and no further
 * @throws SealgateError MalformedPOSTRequest, MaxPostPreDataLengthExceeded
 */
export async function readForm(body: AsyncIterable<Uint8Array>, boundary: string): Promise<Form> {
  const reader = new FormReader(body, boundary)
  const fields: FormField[] = []
  await reader.upToDelimiter()
  for (;;) {
    const part = await reader.part()
    if (part === null) return { fields, file: null }
    if (isFile(part)) {
      const { offset } = reader
      return { fields, file: { offset, filename: part.filename, bytes: reader.file() } }
    }
    fields.push({ name: part.name, value: decode(await reader.upToDelimiter()) })
  }
}

/** Of the Content-Type of a form; null if it names no boundary that can be. */
export function readBoundary(contentType: string): string | null {
  if (contentType.length > MAX_HEAD_BYTES) return null
  const boundary = readParameters(contentType).get('boundary') ?? ''
  return /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/.test(boundary) ? boundary : null
}

interface PartHead {
  readonly name: string
  readonly filename: string | undefined
}

function isFile({ name }: PartHead): boolean {
  return name.toLowerCase() === 'file'
}

/** Of a part, and of the header that names the boundary: a key has no more than 1024 bytes. */
const MAX_HEAD_BYTES = 4096

const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')

class FormReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #delimiter: Buffer
  /** A body may begin with the delimiter itself, without the line end that belongs to it. */
  #held: Buffer = CRLF
  /** What may still come beside the content of the file. */
  #left = MAX_FORM_BYTES + CRLF.length
  #pulled = 0

  constructor(body: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = body[Symbol.asyncIterator]()
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** How far the body has been read. */
  get offset(): number {
    return this.#pulled - this.#held.length
  }

  upToDelimiter(): Promise<Buffer> {
    return this.#upTo(this.#delimiter)
  }

  /** Behind a delimiter: the head of the part that follows, or null at the end of the form. */
  async part(): Promise<PartHead | null> {
    while (this.#held.length < 2) await this.#pull()
    if (this.#held.subarray(0, 2).toString('latin1') === '--') {
      await this.#end()
      return null
    }
    const padding = await this.#upTo(CRLF)
    if (!/^[ \t]*$/.test(padding.toString('latin1'))) throw malformed()
    // A part without a head begins with the blank line.
    this.#held = Buffer.concat([CRLF, this.#held])
    this.#left += CRLF.length
    const head = await this.#upTo(HEAD_END)
    if (head.length > MAX_HEAD_BYTES) throw malformed()
    return readHead(decode(head))
  }

  async *file(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#held.indexOf(this.#delimiter)
      // A delimiter that has begun at the end of what is here must not be taken for content.
      const end = at < 0 ? this.#held.length - (this.#delimiter.length - 1) : at
      if (end > 0) {
        yield this.#held.subarray(0, end)
        this.#held = this.#held.subarray(end)
      }
      if (at >= 0) break
      await this.#pull()
    }
    this.#take(this.#delimiter.length)
    await this.#noOtherFile()
  }

  async #noOtherFile(): Promise<void> {
    for (;;) {
      const part = await this.part()
      if (part === null) return
      if (isFile(part)) throw notOneFile(2)
      await this.upToDelimiter()
    }
  }

  /** Reads over what stands behind the last delimiter. */
  async #end(): Promise<void> {
    do {
      this.#take(this.#held.length)
    } while (await this.#pulls())
  }

  /** The bytes before the mark, which is taken too. */
  async #upTo(mark: Buffer): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark)
      if (at >= 0) {
        const bytes = this.#held.subarray(0, at)
        this.#take(at + mark.length)
        return bytes
      }
      if (this.#held.length > this.#left) throw tooLarge()
      await this.#pull()
    }
  }

  #take(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw tooLarge()
    this.#held = this.#held.subarray(bytes)
  }

  async #pull(): Promise<void> {
    if (!(await this.#pulls())) throw malformed()
  }

  /** False at the end of the body. */
  async #pulls(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done === true) return false
    this.#pulled += next.value.length
    this.#held = Buffer.concat([this.#held, next.value])
    return true
  }
}

function readHead(text: string): PartHead {
  for (const line of text.split('\r\n')) {
    // Not all that ends a line elsewhere ends one here: U+2028 is a character of a name.
    const [, value] = /^content-disposition:([^\r\n]*)$/i.exec(line) ?? []
    if (value === undefined) continue
    if (!/^[ \t]*form-data[ \t]*(;|$)/i.test(value)) throw malformed()
    const parameters = readParameters(value)
    const name = parameters.get('name')
    if (name === undefined) throw malformed()
    return { name, filename: parameters.get('filename') }
  }
  throw malformed()
}

/** Behind the value of a header, by lower-case names; of several of one name, the first. */
function readParameters(header: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [, name = '', quoted, token = ''] of header.matchAll(PARAMETER)) {
    const key = name.toLowerCase()
    // Browsers escape nothing by a backslash, and send paths with some; others escape quotes and backslashes.
    if (!found.has(key)) found.set(key, quoted?.replace(/\\(["\\])/g, '$1') ?? trimBlanks(token))
  }
  return found
}

const PARAMETER = /;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;"]*))/gs

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes)
  } catch (cause) {
    throw malformed(cause)
  }
}

/** S3's own words for no file and for several. */
export function notOneFile(count: number): SealgateError {
  return new SealgateError('InvalidArgument', 'POST requires exactly one file upload per request.', {
    details: { ArgumentName: 'file', ArgumentValue: String(count) },
  })
}

function malformed(cause?: unknown): SealgateError {
  return new SealgateError('MalformedPOSTRequest', undefined, { cause })
}

export function tooLarge(): SealgateError {
  return new SealgateError('MaxPostPreDataLengthExceeded', undefined, {
    details: { MaxPostPreDataLengthBytes: String(MAX_FORM_BYTES) },
  })
}
