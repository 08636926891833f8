import type { XmlElement } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { isError, SealgateError } from '../../errors.ts'
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
      if (resource.optional === true && !context.gateway.forward.has(resource.name))
        throw new SealgateError(
          'NotImplemented',
          `The sub-resource ${resource.name} is switched off: whoever runs the gateway can have it handed on to the storage, by s3.forward in its configuration.`,
        )
      return await run(context, inputOf(context, resource))
    } catch (error) {
      if (!isError(error, 'NotImplemented')) throw error
      const { message, cause, reason = '' } = error
      throw new SealgateError('NotImplemented', message, { cause, reason, details: { Operation: name } })
    }
  }
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

async function get(context: Context, input: SubresourceInput): Promise<Answer> {
  const { document, headers } = await getSubresource(context.gateway, input)
  const isText = typeof document === 'string'
  return {
    status: 200,
    headers: { ...headers, 'content-type': isText ? 'application/json' : 'application/xml' },
    body: isText ? document : writeXml(document),
  }
}

async function put(context: Context, input: SubresourceInput): Promise<Answer> {
  requireSubresource(context.gateway, input)
  const bytes = await readSmallBody(context.body(MAX_DOCUMENT_BYTES), MAX_DOCUMENT_BYTES)
  const headers = await putSubresource(context.gateway, input, documentOf(input, bytes))
  return { status: input.resource.shape === null ? 204 : 200, headers: { ...headers, 'content-length': 0 } }
}

function documentOf({ resource, headers = {} }: SubresourceInput, bytes: Buffer): ClientDocument | null {
  if (resource.shape === null) return bytes.toString()
  if (bytes.length > 0) return parseXml(bytes) satisfies XmlElement
  if (resource.bodyless === true && Object.keys(headers).length > 0) return null
  throw new SealgateError('MalformedXML', 'The document is missing.')
}

async function remove(context: Context, input: SubresourceInput): Promise<Answer> {
  return { status: 204, headers: await deleteSubresource(context.gateway, input) }
}
