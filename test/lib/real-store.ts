import { createHash } from 'node:crypto'
import { openCosStorage } from '../../src/storage/cos.ts'
import { openS3Storage } from '../../src/storage/s3.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { Differences } from '../conformance/storage.ts'
import { COS_DIFFERENCES, COS_DOMAIN, type CosAt, cosOptions, SHORT } from './cos-store.ts'

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
}

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

const COS: RealStore = {
  name: 'Tencent COS (emulated)',
  suites: [],
  storageClasses: ['STANDARD_IA', 'INTELLIGENT_TIERING'],
  expected: {},
  differences: COS_DIFFERENCES,
}

/** The store that the environment names, and null outside of the lanes. */
export function realStore(): RealStore | null {
  const name = process.env['TEST_STORE']
  if (name === undefined) return null
  const store = { minio: MINIO, ceph: CEPH, cos: COS }[name]
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

export function openRealStore(names: { systemBucket: string; bucketPrefix?: string }): Promise<Storage> {
  if (realStore() === COS) return openCosStorage({ ...cosOptions(cosAt()), ...names })
  return openS3Storage({
    endpoint: variable('TEST_STORE_ENDPOINT'),
    region: null,
    addressing: 'path',
    credentials: {
      accessKeyId: variable('TEST_STORE_ACCESS_KEY_ID'),
      secretAccessKey: variable('TEST_STORE_SECRET_ACCESS_KEY'),
    },
    ...names,
  })
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
