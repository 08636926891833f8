import { childrenOf, childText, type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'
import type { Gateway } from '../gateway.ts'
import { checkBucket } from '../names.ts'
import { storedVersion } from '../object-version.ts'
import { OWNER_ID } from '../owner.ts'
import { fit } from './shape.ts'
import type { ClientDocument, SubresourceInput, SubresourceOutput } from './subresource.ts'
import type { Subresource } from './table.ts'

/*
 * Who may do what, where the configuration hands nothing of it on: that is how Amazon S3 makes buckets since 2023 (User Guide, "Controlling
 * ownership of objects and disabling ACLs", "Blocking public access"). All belongs to the one account of the endpoint, and nobody else has any
 * access through the gateway, whatever the store holds. Clients ask for that and go by it; what would change it is refused.
 */

/** ACLs that give the owner all, and nobody else anything. */
export const OWN_ACLS: readonly string[] = ['private', 'bucket-owner-full-control']

interface ClosedAccess {
  /** Null where there is no such document. */
  readonly shown: XmlElement | null
  /** Whether a client's document says what is so anyhow. */
  readonly isSame: (document: XmlElement) => boolean
  readonly refusal?: 'AccessControlListNotSupported'
}

const OWNER = [xmlElement('ID', OWNER_ID), xmlElement('DisplayName', OWNER_ID)]
const BLOCKS = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']

const CLOSED: Readonly<Record<string, ClosedAccess>> = {
  acl: {
    shown: xmlElement('AccessControlPolicy', [
      xmlElement('Owner', OWNER),
      xmlElement('AccessControlList', [
        xmlElement('Grant', [
          { ...xmlElement('Grantee', OWNER), type: 'CanonicalUser' },
          xmlElement('Permission', 'FULL_CONTROL'),
        ]),
      ]),
    ]),
    isSame: isOwnAcl,
    refusal: 'AccessControlListNotSupported',
  },
  ownershipControls: {
    shown: xmlElement('OwnershipControls', [
      xmlElement('Rule', [xmlElement('ObjectOwnership', 'BucketOwnerEnforced')]),
    ]),
    isSame: (document) =>
      childrenOf(document, 'Rule').every(
        (rule) => childText(rule, 'ObjectOwnership') === 'BucketOwnerEnforced',
      ),
  },
  publicAccessBlock: {
    shown: xmlElement(
      'PublicAccessBlockConfiguration',
      BLOCKS.map((name) => xmlElement(name, 'true')),
    ),
    isSame: (document) => BLOCKS.every((name) => childText(document, name)?.toLowerCase() === 'true'),
  },
  policy: { shown: null, isSame: () => false },
  policyStatus: { shown: null, isSame: () => false },
}

/** Null for a sub-resource that is not of access: it is not here at all. */
export function closedAccess({ name }: Subresource): ClosedAccess | null {
  return CLOSED[name] ?? null
}

export async function getClosed(gateway: Gateway, input: SubresourceInput): Promise<SubresourceOutput> {
  const headers = await requireNamed(gateway, input)
  const document = closedAccess(input.resource)?.shown ?? null
  if (document === null) throw new SealgateError(input.resource.missing)
  return { document, headers }
}

/** Succeeds for what changes nothing. */
export async function putClosed(
  gateway: Gateway,
  input: SubresourceInput,
  document: ClientDocument | null,
): Promise<SubresourceOutput['headers']> {
  const headers = await requireNamed(gateway, input)
  if (isSame(input, document)) return headers
  const refusal = closedAccess(input.resource)?.refusal
  throw refusal === undefined ? switchedOff(input.resource) : new SealgateError(refusal)
}

/** A policy that is not there is gone already; the rest stays as it is. */
export async function deleteClosed(
  gateway: Gateway,
  input: SubresourceInput,
): Promise<SubresourceOutput['headers']> {
  if (input.resource.name !== 'policy') throw switchedOff(input.resource)
  return requireNamed(gateway, input)
}

export function switchOf({ name, switchedBy = name }: Subresource): string {
  return switchedBy
}

export function switchedOff(resource: Subresource): SealgateError {
  return new SealgateError(
    'NotImplemented',
    `The sub-resource ${switchOf(resource)} is switched off: whoever runs the gateway can have it handed on to the storage, by s3.forward in its configuration.`,
  )
}

/** The bucket or the object is there. */
async function requireNamed(gateway: Gateway, input: SubresourceInput): Promise<Record<string, string>> {
  const { bucket, key, signal } = input
  checkBucket(gateway, bucket)
  if (key === undefined) {
    await gateway.storage.headBucket(bucket)
    return {}
  }
  const name = { bucket, key, versionId: storedVersion(gateway, input.versionId), signal }
  const { versionId } = await gateway.storage.headObject(name)
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId }
}

function isSame({ resource, headers = {} }: SubresourceInput, document: ClientDocument | null): boolean {
  const { 'x-amz-acl': canned, ...grants } = headers
  if (Object.keys(grants).some((name) => name.startsWith('x-amz-grant-'))) return false
  if (canned !== undefined && !OWN_ACLS.includes(canned)) return false
  if (document === null) return true
  if (typeof document === 'string' || resource.shape === null) return false
  if (document.name !== resource.root)
    throw new SealgateError('MalformedXML', `The root of this document is ${resource.root}.`)
  return closedAccess(resource)?.isSame(fit(document, resource.shape, 'client')) === true
}

function isOwnAcl(document: XmlElement): boolean {
  const grants = childrenOf(document, 'AccessControlList').flatMap((list) => childrenOf(list, 'Grant'))
  return grants.length > 0 && grants.every(isOwnGrant)
}

function isOwnGrant(grant: XmlElement): boolean {
  const [grantee] = childrenOf(grant, 'Grantee')
  const isOwner = grantee?.type === 'CanonicalUser' && childText(grantee, 'ID') === OWNER_ID
  return isOwner && childText(grant, 'Permission') === 'FULL_CONTROL'
}
