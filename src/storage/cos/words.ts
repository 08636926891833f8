/**
 * Tencent COS has nearly all of what S3 says in headers, under names of its own. What it has not is refused here, so that nothing a client asked
 * for is dropped in silence.
 */
import { SealgateError } from '../../errors.ts'

type Headers = Readonly<Record<string, string>>

const S3 = 'x-amz-'
const COS = 'x-cos-'

/** Of a request, behind the prefix. */
const KNOWN =
  /^(meta-.*|storage-class|tagging|copy-source|copy-source-if-match|copy-source-range|website-redirect-location)$/

/** @param sourceOf the copy source as COS wants it, of one as S3 wants it */
export function toCosHeaders(
  method: string,
  headers: Headers,
  sourceOf: (source: string) => string,
): Record<string, string> {
  const result: Record<string, string> = {}
  const isWrite = method === 'PUT' || method === 'POST'
  for (const [name, value] of Object.entries(headers)) {
    const word = name.startsWith(S3) ? name.slice(S3.length) : null
    if (word === null) {
      if (name === 'if-none-match' && isWrite) result[FORBID_OVERWRITE] = 'true'
      else result[name] = value
    } else if (word === 'metadata-directive' || word === 'tagging-directive')
      result[COS + word] = value === 'REPLACE' ? 'Replaced' : 'Copy'
    else if (KNOWN.test(word)) result[COS + word] = word === 'copy-source' ? sourceOf(value) : value
    else
      throw new SealgateError(
        'NotImplemented',
        `The storage behind the gateway, Tencent COS, has nothing for the header ${name}.`,
        { details: { Header: name } },
      )
  }
  return result
}

/** S3's `If-None-Match: *` of a write; without effect in a bucket that has or had versions. */
export const FORBID_OVERWRITE = 'x-cos-forbid-overwrite'

export function fromCosHeaders(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.startsWith(COS) ? S3 + name.slice(COS.length) : name,
      value,
    ]),
  )
}

const PARAMETERS: Readonly<Record<string, string | null>> = {
  // Of the list of buckets; others are paged by name.
  'continuation-token': 'marker',
  // There is one kind of list.
  'list-type': null,
}

export function toCosQuery(
  query: Readonly<Record<string, string | number | undefined>>,
): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(query)) {
    const word = PARAMETERS[name] === undefined ? name : PARAMETERS[name]
    if (word !== null && value !== undefined) result[word] = String(value)
  }
  return result
}
