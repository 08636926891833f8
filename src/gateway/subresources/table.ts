import type { XmlElement } from '../../base/xml-reader.ts'
import type { ErrorKind } from '../../errors.ts'
import { checkCors } from './cors-document.ts'
import { checkLifecycle } from './lifecycle.ts'
import { checkObjectLock, checkRetention } from './object-lock.ts'
import type { Shape } from './shape.ts'
import * as shapes from './shapes.ts'
import { checkTagging } from './tags.ts'

/** A sub-resource that the store keeps for its clients: what it may hold, and what is done about it here. */
export interface Subresource {
  readonly on: 'bucket' | 'object'
  /** As it stands in the query. */
  readonly name: string
  readonly methods: readonly ('GET' | 'PUT' | 'DELETE')[]
  /** The document's root. */
  readonly root: string
  /** What a server calls it that has another name for it (Ceph). */
  readonly otherRoot?: string
  /** Null for a policy, which is JSON. */
  readonly shape: Shape | null
  /** The bucket may have several, told apart by `id` in the query; GET without it lists them in a document of this root. */
  readonly listed?: string
  /** Only where the configuration says so. */
  readonly optional?: boolean
  /** By which name it says so, if not by its own. */
  readonly switchedBy?: string
  /** What is answered where the store only says that something is not there. */
  readonly missing: ErrorKind
  /** Request headers that go on to the store, with what may be in them. */
  readonly headers?: Readonly<Record<string, RegExp>>
  /** Those of its answers that clients see. */
  readonly shown?: Readonly<Record<string, RegExp>>
  /** The document may be missing: a header can say the same. */
  readonly bodyless?: boolean
  /** Throws for a client's document that S3 would refuse as well. */
  readonly check?: (document: XmlElement) => XmlElement
}

const ALL = ['GET', 'PUT', 'DELETE'] as const
const KEPT = ['GET', 'PUT'] as const
const TRUTH = /^(true|false)$/i
const GRANT = /^[ -~]{1,2048}$/
const TRANSITION = {
  'x-amz-transition-default-minimum-object-size': /^(varies_by_storage_class|all_storage_classes_128K)$/,
}
/** By which a list of access goes along with a write, and in the place of a document. */
export const ACL_HEADERS: Readonly<Record<string, RegExp>> = {
  'x-amz-acl':
    /^(private|public-read|public-read-write|authenticated-read|aws-exec-read|bucket-owner-read|bucket-owner-full-control|log-delivery-write)$/,
  ...Object.fromEntries(
    ['full-control', 'read', 'read-acp', 'write', 'write-acp'].map((what) => [`x-amz-grant-${what}`, GRANT]),
  ),
}
const ACL: Omit<Subresource, 'on' | 'missing'> = {
  name: 'acl',
  methods: KEPT,
  root: 'AccessControlPolicy',
  shape: shapes.ACL,
  optional: true,
  bodyless: true,
  headers: ACL_HEADERS,
}

export const SUBRESOURCES: readonly Subresource[] = [
  {
    on: 'object',
    name: 'tagging',
    methods: ALL,
    root: 'Tagging',
    shape: shapes.TAGGING,
    missing: 'NoSuchKey',
    check: (document) => checkTagging(document, 'object'),
  },
  {
    on: 'object',
    name: 'retention',
    methods: KEPT,
    root: 'Retention',
    shape: shapes.RETENTION,
    missing: 'NoSuchKey',
    headers: { 'x-amz-bypass-governance-retention': TRUTH },
    check: checkRetention,
  },
  {
    on: 'object',
    name: 'legal-hold',
    methods: KEPT,
    root: 'LegalHold',
    shape: shapes.LEGAL_HOLD,
    missing: 'NoSuchKey',
  },
  {
    on: 'bucket',
    name: 'tagging',
    methods: ALL,
    root: 'Tagging',
    shape: shapes.TAGGING,
    missing: 'NoSuchTagSet',
    check: (document) => checkTagging(document, 'bucket'),
  },
  {
    on: 'bucket',
    name: 'cors',
    methods: ALL,
    root: 'CORSConfiguration',
    shape: shapes.CORS,
    missing: 'NoSuchCORSConfiguration',
    check: checkCors,
  },
  {
    on: 'bucket',
    name: 'lifecycle',
    methods: ALL,
    root: 'LifecycleConfiguration',
    shape: shapes.LIFECYCLE,
    missing: 'NoSuchLifecycleConfiguration',
    headers: TRANSITION,
    shown: TRANSITION,
    check: checkLifecycle,
  },
  {
    on: 'bucket',
    name: 'object-lock',
    methods: KEPT,
    root: 'ObjectLockConfiguration',
    shape: shapes.OBJECT_LOCK,
    missing: 'ObjectLockConfigurationNotFoundError',
    check: checkObjectLock,
  },

  { on: 'object', missing: 'NoSuchKey', ...ACL },
  { on: 'bucket', missing: 'NoSuchBucket', ...ACL },
  {
    on: 'bucket',
    name: 'policy',
    methods: ALL,
    root: '',
    shape: null,
    optional: true,
    missing: 'NoSuchBucketPolicy',
    headers: { 'x-amz-confirm-remove-self-bucket-access': TRUTH },
  },
  {
    on: 'bucket',
    name: 'policyStatus',
    methods: ['GET'],
    root: 'PolicyStatus',
    shape: shapes.POLICY_STATUS,
    optional: true,
    switchedBy: 'policy',
    missing: 'NoSuchBucketPolicy',
  },
  setting('publicAccessBlock', ALL, shapes.PUBLIC_ACCESS_BLOCK, {
    root: 'PublicAccessBlockConfiguration',
    otherRoot: 'BlockPublicAccessBlockConfiguration',
    missing: 'NoSuchPublicAccessBlockConfiguration',
  }),
  setting('ownershipControls', ALL, shapes.OWNERSHIP_CONTROLS, {
    root: 'OwnershipControls',
    missing: 'OwnershipControlsNotFoundError',
  }),
  setting('replication', ALL, shapes.REPLICATION, {
    root: 'ReplicationConfiguration',
    missing: 'ReplicationConfigurationNotFoundError',
  }),
  setting('notification', KEPT, shapes.NOTIFICATION, {
    root: 'NotificationConfiguration',
    missing: 'NoSuchBucket',
    headers: { 'x-amz-skip-destination-validation': TRUTH },
  }),
  setting('website', ALL, shapes.WEBSITE, {
    root: 'WebsiteConfiguration',
    missing: 'NoSuchWebsiteConfiguration',
  }),
  setting('logging', KEPT, shapes.LOGGING, { root: 'BucketLoggingStatus', missing: 'NoSuchBucket' }),
  setting('accelerate', KEPT, shapes.ACCELERATE, {
    root: 'AccelerateConfiguration',
    missing: 'NoSuchBucket',
  }),
  setting('requestPayment', KEPT, shapes.REQUEST_PAYMENT, {
    root: 'RequestPaymentConfiguration',
    missing: 'NoSuchBucket',
  }),
  setting('inventory', ALL, shapes.INVENTORY, {
    root: 'InventoryConfiguration',
    listed: 'ListInventoryConfigurationsResult',
  }),
  setting('analytics', ALL, shapes.ANALYTICS, {
    root: 'AnalyticsConfiguration',
    listed: 'ListBucketAnalyticsConfigurationResult',
  }),
  setting('metrics', ALL, shapes.METRICS, {
    root: 'MetricsConfiguration',
    listed: 'ListMetricsConfigurationsResult',
  }),
  setting('intelligent-tiering', ALL, shapes.INTELLIGENT_TIERING, {
    root: 'IntelligentTieringConfiguration',
    listed: 'ListBucketIntelligentTieringConfigurationsOutput',
  }),
]

function setting(
  name: string,
  methods: Subresource['methods'],
  shape: Shape,
  more: Pick<Subresource, 'root' | 'otherRoot' | 'headers' | 'listed'> & { readonly missing?: ErrorKind },
): Subresource {
  return { on: 'bucket', name, methods, shape, optional: true, missing: 'NoSuchConfiguration', ...more }
}
