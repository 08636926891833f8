import { SealgateError } from '../../errors.ts'
import { checksumText, type ObjectChecksum } from '../../gateway/checksum.ts'
import { OWNER_ID } from '../../gateway/owner.ts'
import type { Answer, Context } from '../context.ts'
import { type XmlTree, xmlDocument } from '../xml.ts'

export function xmlAnswer(
  root: string,
  content: XmlTree,
  headers: Readonly<Record<string, string | number | undefined>> = {},
): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml', ...headers },
    body: xmlDocument(root, content),
  }
}

export function owner(_context: Context): XmlTree {
  return { ID: OWNER_ID, DisplayName: OWNER_ID }
}

/** A whole number from the query, within bounds; larger than `max` counts as `max`, as S3 does. */
export function queryNumber(context: Context, name: string, fallback: number, max: number): number {
  const text = context.target.query.get(name)
  if (text === undefined || text === '') return fallback
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647) {
    throw new SealgateError('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
      details: { ArgumentName: name, ArgumentValue: text },
    })
  }
  return Math.min(Number(text), max)
}

/**
 * encoding-type=url: what may stand in a URL stays, the rest is %XX of UTF-8, but for `/`, which S3 leaves alone. A blank is %20, which
 * both kinds of clients read rightly: those that take `+` for a blank, and those that do not.
 */
export function keyEncoder(context: Context): {
  readonly encode: (text: string) => string
  readonly type: string | undefined
} {
  const type = context.target.query.get('encoding-type')
  if (type === undefined || type === '') return { encode: (text) => text, type: undefined }
  if (type.toLowerCase() !== 'url') {
    throw new SealgateError('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      details: { ArgumentName: 'encoding-type', ArgumentValue: type },
    })
  }
  return { encode: urlEncode, type: 'url' }
}

function urlEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** ChecksumCRC32 and its fellows, with ChecksumType, as results of writes have them. */
export function checksumElements(checksums: readonly ObjectChecksum[]): Record<string, string> {
  return Object.fromEntries(
    checksums.flatMap((checksum) => [
      [`Checksum${checksum.algorithm}`, checksumText(checksum)],
      ['ChecksumType', checksum.type],
    ]),
  )
}
