import { SealgateError } from '../../errors.ts'
import { RequestHeaders } from '../headers.ts'
import { type FormField, MAX_FORM_BYTES, tooLarge } from './form-data.ts'

/** The fields of a form by name, in any case; those of one name are one, with commas between. */
export class FormFields {
  readonly #fields = new Map<string, { readonly name: string; readonly value: string }>()

  constructor(fields: readonly FormField[]) {
    for (const { name, value } of fields) {
      const key = name.toLowerCase()
      const earlier = this.#fields.get(key)
      this.#fields.set(
        key,
        earlier === undefined ? { name, value } : { name, value: `${earlier.value},${value}` },
      )
    }
  }

  /** @param name in lower case */
  get(name: string): string | undefined {
    return this.#fields.get(name)?.value
  }

  /** Lower-case names with those that were sent. */
  names(): readonly (readonly [key: string, sent: string])[] {
    return [...this.#fields].map(([key, { name }]) => [key, name])
  }

  /**
   * With what the file is called in the place of `${filename}`. A path of the client's machine is no part of a name.
   * @throws SealgateError MaxPostPreDataLengthExceeded for a form that is small only as long as the name is not in it
   */
  withFilename(filename: string | undefined): FormFields {
    if (filename === undefined) return this
    const base = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
    let left = MAX_FORM_BYTES
    const put = (): string => {
      left -= base.length
      if (left < 0) throw tooLarge()
      return base
    }
    const fields = [...this.#fields.values()].map(({ name, value }) => ({
      name,
      value: value.replace(/\$\{filename\}/g, put),
    }))
    return new FormFields(fields)
  }

  /** As PutObject has them: parameters that it takes in headers are fields of a form. */
  headers(): RequestHeaders {
    return new RequestHeaders(
      [...this.#fields].flatMap(([key, { name, value }]) => {
        const header = key === 'acl' ? 'x-amz-acl' : key
        if (!STANDARD.has(header) && !header.startsWith('x-amz-')) return []
        const bytes = Buffer.from(value).toString('latin1')
        if (!FIELD_NAME.test(header) || !FIELD_VALUE.test(bytes))
          throw new SealgateError(
            'InvalidArgument',
            `The field ${name} cannot stand for a header of its name.`,
            {
              details: { ArgumentName: name },
            },
          )
        return [header, bytes]
      }),
    )
  }
}

const STANDARD = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
  // Not of forms, and refused: what asks for a condition must not go without one.
  'if-match',
  'if-none-match',
])

/** RFC 9110 sections 5.1 and 5.5. */
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
