import type { ListObjectsRequest, ListObjectsResult, Storage } from '../../src/storage/storage.ts'

/**
 * Lists as servers make them that keep objects in directories: by another delimiter than `/` names are counted before they are folded,
 * and the next page begins behind the last common prefix's own name, which is in front of what it folds. A page of one name under a
 * prefix that is a name is that name, and the list is over.
 */
export async function listFoldingLate(
  storage: Storage,
  request: ListObjectsRequest,
): Promise<ListObjectsResult> {
  const { bucket, prefix, delimiter, maxKeys, continuationToken } = request
  const startAfter = continuationToken ?? request.startAfter
  if (maxKeys === 1 && prefix !== '' && startAfter === '') {
    const [object] = (await storage.listObjects({ ...request, delimiter: '', maxKeys: 1 })).objects
    if (object?.key === prefix) return { objects: [object], commonPrefixes: [] }
  }
  if (delimiter === '' || delimiter === '/') return storage.listObjects(request)
  const page = await storage.listObjects({ bucket, prefix, delimiter: '', startAfter, maxKeys })
  const folded = page.objects.map(({ key }) => {
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? null : key.slice(0, at + delimiter.length)
  })
  const last = folded.at(-1) ?? page.objects.at(-1)?.key
  return {
    objects: page.objects.filter((_, n) => folded[n] === null),
    commonPrefixes: [...new Set(folded.filter((name) => name !== null))],
    ...(page.next === undefined || last === undefined ? {} : { next: last, nextMarker: last }),
  }
}
