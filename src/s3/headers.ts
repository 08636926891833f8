/** The request's header fields as they came in, duplicates and order included (RFC 9110 section 5). */
import { trimBlanks } from '../base/blanks.ts'
import { SealgateError } from '../errors.ts'

/** Fewer than Node's own limit, above which it would drop fields without a word. */
const MAX_FIELDS = 500
const MAX_BYTES = 64 * 1024

/** Fields that are lists by definition: several lines mean one list (RFC 9110 section 5.3). */
const LISTS = new Set([
  'accept',
  'accept-encoding',
  'cache-control',
  'connection',
  'content-encoding',
  'content-language',
  'expect',
  'if-match',
  'if-none-match',
  'te',
  'trailer',
  'transfer-encoding',
  'via',
  'x-amz-object-attributes',
  'x-amz-optional-object-attributes',
  'x-forwarded-for',
])

export class RequestHeaders {
  readonly #values = new Map<string, string[]>()

  /**
   * @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders`: one character a byte (latin1)
   * @throws SealgateError RequestHeaderSectionTooLarge
   */
  constructor(rawHeaders: readonly string[]) {
    let bytes = 0
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] ?? '').toLowerCase()
      const value = trimBlanks(rawHeaders[i + 1] ?? '')
      bytes += name.length + value.length
      const values = this.#values.get(name)
      if (values === undefined) this.#values.set(name, [value])
      else values.push(value)
    }
    if (rawHeaders.length > 2 * MAX_FIELDS || bytes > MAX_BYTES)
      throw new SealgateError('RequestHeaderSectionTooLarge')
  }

  /** The same fields and some more. */
  with(fields: readonly (readonly [name: string, value: string])[]): RequestHeaders {
    const all = [...this.#values].flatMap(([name, values]) => values.flatMap((value) => [name, value]))
    return new RequestHeaders([...all, ...fields.flat()])
  }

  /**
   * The one value of a field, without blanks around it; undefined if it is absent.
   * @throws SealgateError InvalidRequest if a field that is no list came twice: which one counts would be a guess
   */
  get(name: string): string | undefined {
    const values = this.#values.get(name.toLowerCase())
    if (values === undefined || values.length === 1) return values?.[0]
    if (LISTS.has(name.toLowerCase())) return values.join(', ')
    throw new SealgateError('InvalidRequest', `The header ${name} may be sent only once.`, {
      details: { Header: name },
    })
  }

  /** Every value of a field in order; empty if it is absent. */
  all(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? []
  }

  /** Names in lower case, each once. */
  names(): readonly string[] {
    return [...this.#values.keys()]
  }
}
