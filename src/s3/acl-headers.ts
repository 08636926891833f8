import { SealgateError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { OWN_ACLS } from '../gateway/subresources/closed-access.ts'
import { ACL_HEADERS } from '../gateway/subresources/table.ts'
import type { RequestHeaders } from './headers.ts'

/**
 * The access control list that a write brings along in headers, for the store to keep where the configuration hands ACLs on; undefined if there is
 * none. Elsewhere all that there is belongs to the one account of the endpoint, and to it alone, and only what says just that is taken.
 * @throws SealgateError AccessControlListNotSupported, InvalidArgument
 */
export function readAcl(
  { forward }: Pick<Gateway, 'forward'>,
  headers: RequestHeaders,
): Readonly<Record<string, string>> | undefined {
  const sent = headers.names().filter((name) => name === 'x-amz-acl' || name.startsWith('x-amz-grant-'))
  if (sent.length === 0) return undefined
  const acl = Object.fromEntries(sent.map((name) => [name, headers.get(name) ?? '']))
  if (!forward.has('acl')) {
    if (sent.every((name) => name === 'x-amz-acl' && OWN_ACLS.includes(acl[name] ?? ''))) return undefined
    throw new SealgateError('AccessControlListNotSupported')
  }
  for (const [name, value] of Object.entries(acl)) {
    if (ACL_HEADERS[name]?.test(value) === true) continue
    throw new SealgateError('InvalidArgument', `${name} has a value that is not allowed there.`, {
      details: { ArgumentName: name, ArgumentValue: value.slice(0, 256) },
    })
  }
  return acl
}
