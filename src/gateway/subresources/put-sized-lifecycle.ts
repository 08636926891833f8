import { type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { isError, SealgateError } from '../../errors.ts'
import type { AnswerHeaders, SubresourceRequest, Subresources } from '../../storage/subresources.ts'
import { keepsSizes } from './lifecycle-sizes.ts'

/**
 * Puts rules that ask for sizes. A server that does not know these elements drops them without a word, and a rule for large objects would then
 * expire all of them. So the rules are first put with all of them off, read again, and only put as they are where nothing of them was lost; otherwise
 * what was there before is put back.
 */
export async function putSized(
  store: Subresources,
  request: SubresourceRequest,
  document: XmlElement,
): Promise<AnswerHeaders> {
  const before = await read(store, request)
  await store.writeSubresource(request, allOff(document))
  try {
    const kept = await read(store, request)
    if (kept === null || !keepsSizes(document, kept)) throw notKept()
    return await store.writeSubresource(request, document)
  } catch (error) {
    await (before === null
      ? store.removeSubresource(request)
      : store.writeSubresource({ ...request, headers: {} }, before))
    throw error
  }
}

/** Null if there are none. */
async function read(store: Subresources, request: SubresourceRequest): Promise<XmlElement | null> {
  try {
    const { document } = await store.readSubresource({ ...request, headers: {} })
    return document === null || typeof document === 'string' || document.children.length === 0
      ? null
      : document
  } catch (error) {
    if (isError(error, 'NoSuchLifecycleConfiguration', 'NoSuchKey')) return null
    throw error
  }
}

function allOff(element: XmlElement): XmlElement {
  if (element.name === 'Status') return xmlElement('Status', 'Disabled')
  return { ...element, children: element.children.map(allOff) }
}

function notKept(): SealgateError {
  return new SealgateError(
    'NotImplemented',
    'The storage behind the gateway does not keep ObjectSizeGreaterThan and ObjectSizeLessThan in lifecycle rules, so that they would act on objects of every size. Nothing was changed.',
  )
}
