import { isDeepStrictEqual } from 'node:util'
import type { ConditionalWrite, StorageCapabilities } from '../storage/capabilities.ts'
import type { WireCapabilities } from '../storage/wire/capabilities.ts'
import { isPlain } from '../storage/wire/upload-body.ts'
import type { Capability } from './finding.ts'

const WRITES: Readonly<Record<ConditionalWrite, string>> = {
  put: 'PutObject',
  copy: 'CopyObject',
  complete: 'CompleteMultipartUpload',
  delete: 'DeleteObject',
}
const REFUSED = 'such requests are answered 501 NotImplemented'

type PlainName = {
  [Name in keyof WireCapabilities]: WireCapabilities[Name] extends boolean ? Name : never
}[keyof WireCapabilities]

/** What each of the plain ones means; `inverse` where a store that can do it says false. */
const PLAIN: Readonly<Record<PlainName, readonly [name: string, without: string, inverse?: true]>> = {
  versions: ['keeps versions of objects', 'PutBucketVersioning is answered 501 NotImplemented'],
  listsUploads: ['lists all uploads of a bucket', 'each is noted when it begins, and listed by its note'],
  foldsUploads: ['folds lists of uploads by a delimiter', 'they are folded here'],
  underscores: ['keeps underscores in names of metadata', 'they are encoded there'],
  punctuation: ['keeps punctuation in names of metadata', 'it is encoded there'],
  copySourceIfMatch: ['pins the source of a copy', 'a copy is an upload of one part, three calls more'],
  leadingSlash: ['keeps a slash at the beginning of a key', 'such keys are answered InvalidURI'],
  emptyParts: [
    'keeps parts of a key that are empty, "." or ".."',
    'such keys, which would be those of other objects, are answered InvalidURI',
  ],
  unprintableNames: [
    'lists keys with characters that XML cannot hold',
    'such keys, which would be listed as others, are answered InvalidURI',
  ],
  listsWrites: ['lists what was just written', 'records of parts are waited for'],
  partGaps: ['joins parts whose numbers leave some out', 'such uploads are answered 501 NotImplemented'],
  pagesByToken: ['pages lists by a token', 'they are paged by name'],
  anyDelimiter: ['folds lists by any delimiter', 'by other delimiters than / they are folded here'],
  bareIfMatch: ['takes If-Match with quotes', 'it is sent without them', true],
  encodesUploads: ['says how names of uploads are encoded', 'they are taken for encoded', true],
  abortsUnknown: ['knows an upload that is not there when it is aborted', 'it is looked for first', true],
  decodesPartSource: ['decodes the source of a part once', 'it is encoded twice', true],
  listsBehindNoPart: ['lists parts behind any number', 'lists of parts are read from their beginning'],
}

/** What a store can do, in the order of what matters to clients. */
export function capabilityTable(capabilities: StorageCapabilities): readonly Capability[] {
  const { conditions, headers } = capabilities
  const rows: Capability[] = []
  for (const write of Object.keys(WRITES) as ConditionalWrite[]) {
    const { ifMatch, ifNoneMatch } = conditions[write]
    if (write !== 'delete')
      rows.push({ name: `enforces If-None-Match on ${WRITES[write]}`, has: ifNoneMatch, without: REFUSED })
    rows.push({ name: `enforces If-Match on ${WRITES[write]}`, has: ifMatch, without: REFUSED })
  }
  const { versionedConditions } = capabilities as Partial<WireCapabilities>
  if (versionedConditions !== undefined && capabilities.versions)
    rows.push({
      name: 'enforces them in buckets with versions, too',
      has: isDeepStrictEqual(versionedConditions, conditions),
      without: `there ${REFUSED}`,
    })
  for (const [name, has] of Object.entries(headers))
    rows.push({ name: `keeps ${name}`, has, without: 'objects with it are answered 501 NotImplemented' })
  const { integrity, ...others }: StorageCapabilities & Partial<WireCapabilities> = capabilities
  if (integrity !== undefined && integrity !== null)
    rows.push({
      name: 'verifies checksums behind a body',
      has: integrity.checksum,
      without: isPlain(integrity)
        ? 'the ETag of an upload must be the MD5 of its bytes'
        : 'every chunk of an upload is signed instead',
    })
  for (const key of Object.keys(PLAIN) as PlainName[]) {
    const value = others[key]
    if (value === undefined) continue
    const [name, without, inverse] = PLAIN[key]
    rows.push({ name, has: inverse === true ? !value : value, without })
  }
  return rows
}
