import { SealgateError } from '../errors.ts'
import type { CopySource } from '../gateway/copy-source.ts'
import { readConditions } from './condition-headers.ts'
import type { Context } from './context.ts'
import { readCustomerKey } from './customer-key.ts'
import { checkKey } from './target.ts'
import { checkedVersionId } from './version-id.ts'

/**
 * x-amz-copy-source: `[/]bucket/key[?versionId=…]`, encoded once as forms are, where a `+` is a blank: a key with a plus must say `%2B`,
 * as with Amazon S3. The bucket goes through the same door as a GET of it.
 */
export function readCopySource(context: Context): CopySource {
  const header = context.headers.get('x-amz-copy-source') ?? ''
  const mark = header.lastIndexOf('?versionId=')
  const versionId = mark < 0 ? undefined : checkedVersionId(decode(header.slice(mark + '?versionId='.length)))
  const name = decode((mark < 0 ? header : header.slice(0, mark)).replaceAll('+', ' ')).replace(/^\//, '')
  const slash = name.indexOf('/')
  if (slash < 1 || slash === name.length - 1)
    throw invalid('Copy Source must mention the source bucket and key: sourcebucket/sourcekey')
  const key = name.slice(slash + 1)
  checkKey(key)
  return {
    bucket: name.slice(0, slash),
    key,
    versionId,
    conditions: readConditions(context.headers, 'x-amz-copy-source-'),
    customerKey: readCustomerKey(context.headers, 'x-amz-copy-source-'),
  }
}

/** Header bytes are UTF-8 or percent-encoded UTF-8. */
function decode(value: string): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(value, 'latin1'),
    )
    return decodeURIComponent(text)
  } catch {
    throw invalid('The copy source is not valid percent-encoded UTF-8')
  }
}

function invalid(message: string): SealgateError {
  return new SealgateError('InvalidArgument', message, { details: { ArgumentName: 'x-amz-copy-source' } })
}
