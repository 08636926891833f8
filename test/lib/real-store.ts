import { createHash } from 'node:crypto'
import { openCosStorage } from '../../src/storage/cos.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { Differences } from '../conformance/storage.ts'
import { COS_DIFFERENCES, COS_DOMAIN, type CosAt, cosOptions, SHORT } from './cos-store.ts'
import { openStoreBefore, type ServerAddress } from './s3-storage.ts'

/** A server that a lane has started, and how it differs from the contract of a store. */
export interface RealStore {
  readonly name: string
  readonly differences: Differences
  /** Suites about this server alone. */
  readonly suites: readonly string[]
  /** Besides STANDARD. */
  readonly storageClasses: readonly string[]
  /** Tests of the wire that ask for what it cannot do: name and reason. */
  readonly expected: Readonly<Record<string, string>>
  /** Likewise, where it hangs on who comes first: they fail now and then. */
  readonly races?: Readonly<Record<string, string>>
}

/** Of Versity: it hides an upload while a Complete joins it. */
const COMPLETES = 'whoever comes while another joins is told that there is no such upload'
const ENDED = 'a part of an upload that has ended is an internal error'

const MINIO: RealStore = {
  name: 'MinIO',
  suites: ['minio/tls.lane.ts'],
  storageClasses: ['REDUCED_REDUNDANCY'],
  expected: {
    'tags of a bucket have the letters of every language': 'it knows the letters of ASCII',
    'CORS rules come back as they went in, and are removed':
      'it keeps no CORS rules, and answers every origin itself',
    'are told before they ask what the rules allow, at once when these are changed': 'it keeps no CORS rules',
    'may read what the rules allow, and errors, and other origins may not': 'it keeps no CORS rules',
    'cost the store one look at the rules for many requests': 'it keeps no CORS rules',
    'is answered with what the CORS rules of the bucket say': 'it keeps no CORS rules',
    'lifecycle rules may end uploads that are not completed': 'it ends them by itself',
    'of an upload under way is its storage class, which its lists tell':
      'its lists of parts and uploads say STANDARD of all',
  },
  differences: {
    equalBytesEqualEtag: 'its ETag is the MD5 of the bytes',
    uploadHidesBucket: 'it looks for the upload first',
    uploadsOutliveBucket: 'uploads lie apart from their bucket',
    refusedNames: {
      reason: 'objects lie in directories: no component "." or "..", empty, or of more than 255 bytes',
      refuses: (key) =>
        /^\/|\/\//.test(key) ||
        key.split('/').some((part) => part === '.' || part === '..' || Buffer.byteLength(part) > 255),
    },
    hidesBehindObject: 'a directory that is an object too is not looked into',
    startSkipsPrefix: 'a start inside a common prefix is taken for its end',
    shortPages: 'behind a common prefix that is an object too a page has one name less',
    lastCharacterEndsPages: 'U+10FFFF stands for the end of a directory',
    foldsAfterwards: 'it counts names first, and shows again the common prefix of a start',
    uploadOrder: 'by time alone',
    uploadsNotFolded: 'a list of uploads knows no delimiter',
    nullVersionUnnamed: 'answers do not name the version null, nor its delete marker',
    deleteMarkerWithoutTime: '405 without Last-Modified',
    hidesOnlyObjects: 'a key that is hidden is not hidden again: the answer is its delete marker',
  },
}

const CEPH: RealStore = {
  name: 'Ceph RGW',
  suites: [],
  storageClasses: ['STANDARD_IA'],
  expected: {
    'sizes in lifecycle rules are plaintext here, and what lets through the same objects at the store':
      'it drops sizes from filters without a word, and so the gateway refuses them',
    'of an upload under way is its storage class, which its lists tell':
      'its lists of parts and uploads say STANDARD of all',
  },
  differences: {
    equalBytesEqualEtag: 'its ETag is the MD5 of the bytes',
    startSkipsPrefix: 'a start inside a common prefix is taken for its end',
    shortPages: 'with a delimiter a page ends where its internal listing does',
    unnamedPartsRefused: 'InvalidPart, where S3 drops the part',
    completeRepeats: 'it knows for a while what it has completed',
    uploadOrder: 'by key, and then by upload id',
    nullVersionUnnamed: 'answers do not name the version null',
    hiddenKeyUntold: 'a 404 has no word of a delete marker, by its id too',
    hidesOnlyObjects: 'to delete what is hidden, or not there, leaves no delete marker',
    deletesMadeUpVersions: 'a version that is not there is deleted with success, whatever its id',
    listLosesItsPlace: 'a page behind a version that is gone begins elsewhere',
    versionsIgnoreConditions: 'a version is an object of its own, which is always new',
    anyVersionId: 'of whatever id it says NoSuchVersion',
  },
}

const NO_IF_MATCH = 'no If-Match of a write is enforced, and so it is 501'
const NO_GAPS = 'parts whose numbers leave some out cannot be joined, and so it is 501'

const COS: RealStore = {
  name: 'Tencent COS (emulated)',
  suites: [],
  storageClasses: ['STANDARD_IA', 'INTELLIGENT_TIERING'],
  expected: {
    'PutObject_ifMatch compares with what is there, and with nothing it is NoSuchKey': NO_IF_MATCH,
    'PutObject_conditions are atomic: one winner of many': NO_IF_MATCH,
    'a copy under a changed store condition leaves the target alone': NO_IF_MATCH,
    'CompleteMultipartUpload_conditions are those of PutObject, and the upload outlives a failure':
      NO_IF_MATCH,
    'is answered by the error at once, and never by 100, when the request is refused': NO_IF_MATCH,
    'CompleteMultipartUpload_unlisted part survives a Complete that fails':
      'the footer takes its number, as numbers may have no gaps',
    'UploadPart_sparse numbers, and part 10000 as the last, small or large': NO_GAPS,
    'gives one part, its place, the number of parts, and its own checksum when asked': NO_GAPS,
    '1 is the whole of an object that has no parts, and 2 is not there': NO_GAPS,
    'of GetObjectAttributes is page by page, with sizes and checksums of plaintext': NO_GAPS,
    'CreateBucket_validName is taken': 'names of buckets have no dots, and 60 characters with their host',
    ...Object.fromEntries(
      [
        'CORS rules come back as they went in, and are removed',
        'are told before they ask what the rules allow, at once when these are changed',
        'by default is on every write, of parts and copies too, and hampers none of them',
        'comes with an upload by parts and with a copy that ask for it',
        'cost the store one look at the rules for many requests',
        'holds a version as long as it says so',
        'is answered with what the CORS rules of the bucket say',
        'is for buckets that were made with it, which then have versions',
        'is put on a version that is there, and bypassed where many are deleted',
        'is refused where it makes no sense, before anything is stored',
        'lifecycle rules come back as they went in, and are removed',
        'lifecycle rules may end uploads that are not completed',
        'lifecycle rules that could act on more than they say are refused',
        'may read what the rules allow, and errors, and other origins may not',
        'of buckets that are not there, or are the system bucket, are NoSuchBucket',
        'retains a version in the mode GOVERNANCE until it is bypassed, and shows it',
        'sizes in lifecycle rules are plaintext here, and what lets through the same objects at the store',
        'tags of a bucket are held to the rules of S3',
        'tags of a bucket come back as they went in, are replaced and removed',
        'tags of a bucket have the letters of every language',
        'the encryption of a bucket is the configured one, and asking for another is refused',
        'what lets others in, or data out, is off and says how it is switched on',
      ].map((name) => [name, 'of sub-resources the store keeps the tags of objects alone']),
    ),
  },
  differences: COS_DIFFERENCES,
}

const VERSITYGW: RealStore = {
  name: 'Versity S3 Gateway',
  suites: [],
  // It takes any, and stores none.
  storageClasses: ['STANDARD_IA'],
  expected: {
    'hides a key by a delete marker, and shows it when that is gone': 'it does not tell the id of the marker',
    'DeleteObject_versioned hides the key, and removing the delete marker shows it again':
      'it does not tell the id of the marker',
    'that are absent are NoSuchKey, and can be deleted': 'what is not there is deleted under any condition',
    'DeleteObject_ifMatch deletes the object that it names, or any by the asterisk, and nothing is NoSuchKey':
      'what is not there is deleted under any condition',
    'DeleteObjects_etag holds for each key by itself': 'what is not there is deleted under any condition',
    'have the bytes of the source that was named, whatever its name looks like':
      'no name with ?versionId= in it can be the source of a copy',
    'are listed by key and time, page by page': 'a list of uploads does not go on behind an upload',
    'PutObject_empty has no bytes, no range, and its type': 'a name that ends in a slash is a directory',
    'escape what is no XML, and encode everything that they echo when asked':
      'its lists write U+FFFD for what XML cannot hold',
    'CopyObject_unsupportedRequest is refused, and nothing is copied':
      'the version null of a bucket that never had versions cannot be copied',
    'lists every page of every prefix, delimiter and marker as the whole is':
      'a page shows the delete markers of a key behind its versions',
    'ListObjects_encoded gives each key back, in the order of its bytes, in all three lists and any page size':
      'pages of versions begin with the one before',
    'of tags, locks and ACLs that cannot be are refused on each kind of write, and nothing is stored':
      'it locks what is written without versions',
    'lifecycle rules come back as they went in, and are removed': 'it keeps no lifecycle rules',
    'lifecycle rules may end uploads that are not completed': 'it keeps no lifecycle rules',
    'lifecycle rules that could act on more than they say are refused': 'it keeps no lifecycle rules',
    'sizes in lifecycle rules are plaintext here, and what lets through the same objects at the store':
      'it keeps no lifecycle rules',
    'is told by HEAD as it was sent, however the object came': 'it keeps no storage class',
    'goes with a copy, but for the storage class, which is the one that the copy asks for':
      'it keeps no storage class',
    'of an upload under way is its storage class, which its lists tell': 'it keeps no storage class',
    'without a storage class is STANDARD, which HEAD leaves out and lists say': 'it keeps no storage class',
    'AbortMultipartUpload by another replica ends an upload whose key is remembered here': ENDED,
    'behind a Complete whose upload ended before its last part could be joined': ENDED,
    'is for buckets that were made with it, which then have versions':
      'where there is no rule for new objects it shows an empty one',
    'retains a version in the mode GOVERNANCE until it is bypassed, and shows it':
      'it removes no version by a bypass of governance',
    'by default is on every write, of parts and copies too, and hampers none of them':
      'the default retention is kept, and not shown on what is written',
    'is refused where it makes no sense, before anything is stored':
      'it locks what is written without versions',
  },
  races: {
    'CompleteMultipartUpload_racing: every one of many at once gets the one same answer': COMPLETES,
    'CompleteMultipartUpload_racing for a part that waits: whoever comes late gets the same answer':
      COMPLETES,
    'AbortMultipartUpload_racing UploadPart ends with no upload and no object': ENDED,
  },
  differences: {
    equalBytesEqualEtag: 'its ETag is the MD5 of the bytes',
    refusedNames: {
      reason:
        'objects lie in directories: no component "." or "..", empty, or of more than 255 bytes, and none of them has bytes; lists show no name that XML cannot hold',
      refuses: (key) =>
        /^\/|\/\/|\/$|[^\P{Cc}\t\n\r\u007f-\u009f]|[\ufffe\uffff]/u.test(key) ||
        key.split('/').some((part) => part === '.' || part === '..' || Buffer.byteLength(part) > 255),
    },
    hidesBehindObject: 'what is an object is no directory as well',
    startSkipsPrefix: 'a start inside a common prefix is taken for its end',
    shortPages: 'pages of versions begin with the one before',
    completeRepeats: 'it says yes to what it has completed, and to what it is completing',
    uploadOrder: 'by key, and then by time of last change',
    nullVersionUnnamed: 'answers do not name the version null',
    versionsIgnoreConditions: 'they take a delete marker for an object',
    hidesOnlyObjects: 'what is not there is not hidden',
    listLosesItsPlace: 'a list goes on behind a version that is there alone',
  },
}

/** The store that the environment names, and null outside of the lanes. */
export function realStore(): RealStore | null {
  const name = process.env['TEST_STORE']
  if (name === undefined) return null
  const store = { minio: MINIO, ceph: CEPH, cos: COS, versitygw: VERSITYGW }[name]
  if (store === undefined) throw new Error(`TEST_STORE: there is no store ${name}`)
  return store
}

/** What is said of an id of a version that the store has not given: status and code. */
export function madeUpVersion(): readonly [number, string] {
  return realStore()?.differences.anyVersionId === undefined
    ? [400, 'InvalidArgument']
    : [404, 'NoSuchVersion']
}

/** Of the store under test, besides STANDARD: at least one. */
export function storageClasses(): readonly string[] {
  return realStore()?.storageClasses ?? ['STANDARD_IA', 'GLACIER_IR', 'REDUCED_REDUNDANCY', 'ONEZONE_IA']
}

/** Whether the store under test takes objects of that name. */
export function takesName(key: string): boolean {
  return realStore()?.differences.refusedNames?.refuses(key) !== true
}

/** Of these names, those that the store under test takes, and lists when it has them all. */
export function namesTaken(keys: readonly string[]): string[] {
  const taken = keys.filter(takesName)
  if (realStore()?.differences.hidesBehindObject === undefined) return taken
  return taken.filter((key) => !taken.some((other) => key.startsWith(`${other}/`)))
}

/** Where the server of the lane is that speaks S3, and null if there is none. */
export function realServer(): ServerAddress | null {
  if (realStore() === null || realStore() === COS) return null
  return {
    endpoint: variable('TEST_STORE_ENDPOINT'),
    accessKeyId: variable('TEST_STORE_ACCESS_KEY_ID'),
    secretAccessKey: variable('TEST_STORE_SECRET_ACCESS_KEY'),
  }
}

/** By another endpoint where something stands between. */
export function openRealStore(names: {
  systemBucket: string
  bucketPrefix?: string
  endpoint?: string
}): Promise<Storage> {
  if (realStore() === COS) return openCosStorage({ ...cosOptions(cosAt()), ...names })
  const server = realServer()
  if (server === null) throw new Error('TEST_STORE is not set')
  return openStoreBefore(server, names)
}

/** The environment of a process that serves from a directory: nothing for the fs store, or that of the lane, with buckets that are the directory's own. */
export function storeEnvironment(dataDir: string): Readonly<Record<string, string>> {
  if (realStore() === null) return {}
  const prefix = `t${createHash('sha256').update(dataDir).digest('hex').slice(0, 10)}-`
  if (realStore() === COS) return cosEnvironment(prefix)
  return {
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: variable('TEST_STORE_ENDPOINT'),
    SEALGATE_S3_ADDRESSING: 'path',
    SEALGATE_S3_ACCESS_KEY_ID: variable('TEST_STORE_ACCESS_KEY_ID'),
    SEALGATE_S3_SECRET_ACCESS_KEY: variable('TEST_STORE_SECRET_ACCESS_KEY'),
    SEALGATE_S3_BUCKET_PREFIX: prefix,
    SEALGATE_SYSTEM_BUCKET: `${prefix}system`,
  }
}

/** The emulator of the lane. */
function cosAt(): CosAt {
  return {
    ...SHORT,
    address: variable('TEST_STORE_ENDPOINT'),
    secretId: variable('TEST_STORE_ACCESS_KEY_ID'),
    secretKey: variable('TEST_STORE_SECRET_ACCESS_KEY'),
  }
}

function cosEnvironment(prefix: string): Readonly<Record<string, string>> {
  const { appid, region, address, secretId, secretKey } = cosAt()
  return {
    SEALGATE_STORE: 'cos',
    SEALGATE_COS_APP_ID: appid,
    SEALGATE_COS_REGION: region,
    SEALGATE_COS_DOMAIN: COS_DOMAIN,
    SEALGATE_COS_CONNECT_TO: address,
    SEALGATE_COS_SECRET_ID: secretId,
    SEALGATE_COS_SECRET_KEY: secretKey,
    SEALGATE_COS_BUCKET_PREFIX: prefix,
    SEALGATE_SYSTEM_BUCKET: `${prefix}system`,
  }
}

function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}
