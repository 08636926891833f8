import type { XmlElement } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { isError, SealgateError } from '../../errors.ts'
import {
  closedAccess,
  deleteClosed,
  getClosed,
  putClosed,
  switchedOff,
  switchOf,
} from '../../gateway/subresources/closed-access.ts'
import {
  type ClientDocument,
  deleteSubresource,
  getSubresource,
  putSubresource,
  requireSubresource,
  type SubresourceInput,
} from '../../gateway/subresources/subresource.ts'
import type { Subresource } from '../../gateway/subresources/table.ts'
import type { Answer, Context, Operation } from '../context.ts'
import { readSmallBody } from '../request-body.ts'
import { readVersionId } from '../version-id.ts'
import { parseXml } from '../xml.ts'

const MAX_DOCUMENT_BYTES = 512 * 1024

/** The operation of a method on a sub-resource; an optional one only where the configuration has switched it on. */
export function subresourceOperation(
  resource: Subresource,
  method: 'GET' | 'PUT' | 'DELETE',
  name: string,
): Operation {
  const run = { GET: get, PUT: put, DELETE: remove }[method]
  return async (context) => {
    try {
      return await run(context, inputOf(context, resource), waysOf(context, resource))
    } catch (error) {
      if (!isError(error, 'NotImplemented')) throw error
      const { message, cause, reason = '' } = error
      throw new SealgateError('NotImplemented', message, { cause, reason, details: { Operation: name } })
    }
  }
}

interface Ways {
  readonly get: typeof getSubresource
  readonly put: typeof putSubresource
  readonly remove: typeof deleteSubresource
}

/** To the store, or, where the configuration does not hand it on, what is so without. */
function waysOf({ gateway }: Context, resource: Subresource): Ways {
  if (resource.optional !== true || gateway.forward.has(switchOf(resource)))
    return { get: getSubresource, put: putSubresource, remove: deleteSubresource }
  if (closedAccess(resource) === null) throw switchedOff(resource)
  return { get: getClosed, put: putClosed, remove: deleteClosed }
}

function inputOf(context: Context, resource: Subresource): SubresourceInput {
  const { query } = context.target
  return {
    resource,
    bucket: context.bucket,
    key: resource.on === 'object' ? context.key : undefined,
    versionId: resource.on === 'object' ? readVersionId(context) : undefined,
    id: resource.listed === undefined ? undefined : query.get('id'),
    continuationToken: query.get('continuation-token'),
    headers: headersOf(context, resource),
    signal: context.signal,
  }
}

function headersOf(
  { headers, request }: Context,
  { headers: known = {} }: Subresource,
): Record<string, string> {
  if (request.method !== 'PUT') return {}
  return Object.fromEntries(
    Object.entries(known).flatMap(([name, pattern]) => {
      const value = headers.get(name)
      if (value === undefined) return []
      if (!pattern.test(value))
        throw new SealgateError('InvalidArgument', `${name} has a value that is not allowed there.`, {
          details: { ArgumentName: name, ArgumentValue: value.slice(0, 256) },
        })
      return [[name, value]]
    }),
  )
}

async function get(context: Context, input: SubresourceInput, ways: Ways): Promise<Answer> {
  const { document, headers } = await ways.get(context.gateway, input)
  const isText = typeof document === 'string'
  return {
    status: 200,
    headers: { ...headers, 'content-type': isText ? 'application/json' : 'application/xml' },
    body: isText ? document : writeXml(document),
  }
}

async function put(context: Context, input: SubresourceInput, ways: Ways): Promise<Answer> {
  if (ways.put === putSubresource) requireSubresource(context.gateway, input)
  const bytes = await readSmallBody(context.body(MAX_DOCUMENT_BYTES), MAX_DOCUMENT_BYTES)
  const headers = await ways.put(context.gateway, input, documentOf(input, bytes))
  return { status: input.resource.shape === null ? 204 : 200, headers: { ...headers, 'content-length': 0 } }
}

function documentOf({ resource, headers = {} }: SubresourceInput, bytes: Buffer): ClientDocument | null {
  if (resource.shape === null) return bytes.toString()
  if (bytes.length > 0) return parseXml(bytes) satisfies XmlElement
  if (resource.bodyless === true && Object.keys(headers).length > 0) return null
  throw new SealgateError('MalformedXML', 'The document is missing.')
}

async function remove(context: Context, input: SubresourceInput, ways: Ways): Promise<Answer> {
  return { status: 204, headers: await ways.remove(context.gateway, input) }
}
