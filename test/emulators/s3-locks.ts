/**
 * Object Lock of an S3 server: retentions and legal holds of versions, kept as the documents of their sub-resources, which the headers of
 * a write set as well, and by which deletions of versions are refused.
 */
import { childrenOf, childText, readXml, type XmlElement, xmlElement } from '../../src/base/xml-reader.ts'
import { writeXml } from '../../src/base/xml-writer.ts'
import { isError, SealgateError } from '../../src/errors.ts'
import type { RequestHeaders } from '../../src/s3/headers.ts'
import type { KeptSubresources, SubresourceCall } from './s3-subresources.ts'

const DAY_MS = 86_400_000

export interface LockedVersion {
  readonly bucket: string
  readonly key: string
  readonly versionId?: string | undefined
}

export class Locks {
  readonly #kept: KeptSubresources
  /** Of uploads under way: what their headers asked for. */
  readonly #uploads = new Map<string, RequestHeaders>()

  constructor(kept: KeptSubresources) {
    this.#kept = kept
  }

  enable(bucket: string): void {
    const document = xmlElement('ObjectLockConfiguration', [xmlElement('ObjectLockEnabled', 'Enabled')])
    this.#kept.put(of({ bucket, key: '' }, 'object-lock'), Buffer.from(writeXml(document)))
  }

  begun(uploadId: string, headers: RequestHeaders): void {
    this.#uploads.set(uploadId, headers)
  }

  /** Before a write: locks are for buckets that have it. */
  checkWrite(bucket: string, headers: RequestHeaders): void {
    const isLocked = headers.names().some((name) => name.startsWith('x-amz-object-lock-'))
    if (isLocked && !this.#kept.has(of({ bucket, key: '' }, 'object-lock')))
      throw new SealgateError('InvalidRequest')
  }

  /** A version has been written: by these headers, or those of its upload. */
  written(version: LockedVersion, by: RequestHeaders | string): void {
    const headers = typeof by === 'string' ? this.#uploads.get(by) : by
    const bucketLock = this.#document(of({ bucket: version.bucket, key: '' }, 'object-lock'))
    const mode = headers?.get('x-amz-object-lock-mode')
    const hold = headers?.get('x-amz-object-lock-legal-hold')
    if (bucketLock === null) return
    const until = headers?.get('x-amz-object-lock-retain-until-date')
    const retention = mode !== undefined && until !== undefined ? { mode, until } : defaultOf(bucketLock)
    if (retention !== null) {
      const parts = [xmlElement('Mode', retention.mode), xmlElement('RetainUntilDate', retention.until)]
      this.#put(version, 'retention', xmlElement('Retention', parts))
    }
    if (hold !== undefined)
      this.#put(version, 'legal-hold', xmlElement('LegalHold', [xmlElement('Status', hold)]))
  }

  /** AccessDenied for what is locked. */
  checkDeletion(version: LockedVersion, headers: RequestHeaders): void {
    if (version.versionId === undefined) return
    if (this.#holds(version)) throw new SealgateError('AccessDenied')
    this.checkRetention(version, headers)
  }

  /** Also before a retention is changed; the emulator does not tell a longer one from a shorter one. */
  checkRetention(version: LockedVersion, headers: RequestHeaders): void {
    const retention = this.#document(of(version, 'retention'))
    if (retention === null || Date.parse(childText(retention, 'RetainUntilDate') ?? '') <= Date.now()) return
    const isBypassed = headers.get('x-amz-bypass-governance-retention') === 'true'
    if (childText(retention, 'Mode') !== 'GOVERNANCE' || !isBypassed) throw new SealgateError('AccessDenied')
  }

  /** Of GET and HEAD. */
  shown(version: LockedVersion): Record<string, string> {
    const retention = this.#document(of(version, 'retention'))
    const hold = this.#document(of(version, 'legal-hold'))
    return {
      ...(retention === null
        ? {}
        : {
            'x-amz-object-lock-mode': childText(retention, 'Mode') ?? '',
            'x-amz-object-lock-retain-until-date': childText(retention, 'RetainUntilDate') ?? '',
          }),
      ...(hold === null ? {} : { 'x-amz-object-lock-legal-hold': childText(hold, 'Status') ?? '' }),
    }
  }

  #holds(version: LockedVersion): boolean {
    const hold = this.#document(of(version, 'legal-hold'))
    return hold !== null && childText(hold, 'Status') === 'ON'
  }

  #put(version: LockedVersion, name: string, document: XmlElement): void {
    this.#kept.put(of(version, name), Buffer.from(writeXml(document)))
  }

  #document(call: SubresourceCall): XmlElement | null {
    try {
      const { text } = this.#kept.get(call)
      return readXml(Buffer.from(text), (reason) => {
        throw new SealgateError('MalformedXML', reason)
      })
    } catch (error) {
      if (isError(error, 'NoSuchObjectLockConfiguration', 'ObjectLockConfigurationNotFoundError')) return null
      throw error
    }
  }
}

function of({ bucket, key, versionId }: LockedVersion, name: string): SubresourceCall {
  return { bucket, key, name, id: versionId }
}

function defaultOf(bucketLock: XmlElement): { mode: string; until: string } | null {
  const retention = childrenOf(bucketLock, 'Rule').flatMap((rule) => childrenOf(rule, 'DefaultRetention'))[0]
  if (retention === undefined) return null
  const days = Number(childText(retention, 'Days') ?? 365 * Number(childText(retention, 'Years')))
  return {
    mode: childText(retention, 'Mode') ?? '',
    until: new Date(Date.now() + days * DAY_MS).toISOString(),
  }
}
