import { childrenOf, childText, type XmlElement, xmlElement } from '../base/xml-reader.ts'
import { SealgateError } from '../errors.ts'
import { headBucket } from './buckets.ts'
import type { Gateway } from './gateway.ts'
import { fit } from './subresources/shape.ts'
import { ENCRYPTION } from './subresources/shapes.ts'

/*
 * The encryption of a bucket is the gateway's own, and its configuration says under which key: the store is not asked, and would not know. A bucket key
 * is what S3 calls it that one data key of the KMS serves many objects, which is so here in any case.
 */

export async function getBucketEncryption(gateway: Gateway, bucket: string): Promise<XmlElement> {
  await headBucket(gateway, bucket)
  return xmlElement('ServerSideEncryptionConfiguration', [
    xmlElement('Rule', [
      xmlElement('ApplyServerSideEncryptionByDefault', [
        xmlElement('SSEAlgorithm', 'aws:kms'),
        xmlElement('KMSMasterKeyID', gateway.keys.cmkOf(bucket)),
      ]),
      xmlElement('BucketKeyEnabled', 'true'),
    ]),
  ])
}

/** Succeeds if it asks for what is done anyway; there is nothing to keep then. */
export async function putBucketEncryption(
  gateway: Gateway,
  bucket: string,
  document: XmlElement,
): Promise<void> {
  await headBucket(gateway, bucket)
  if (document.name !== 'ServerSideEncryptionConfiguration')
    throw new SealgateError('MalformedXML', 'The root of this document is ServerSideEncryptionConfiguration.')
  const rules = childrenOf(fit(document, ENCRYPTION, 'client'), 'Rule')
  const [rule] = rules
  if (rule === undefined || rules.length > 1)
    throw new SealgateError('MalformedXML', 'The encryption of a bucket has one Rule.')
  const [wanted] = childrenOf(rule, 'ApplyServerSideEncryptionByDefault')
  const algorithm = wanted === undefined ? 'aws:kms' : childText(wanted, 'SSEAlgorithm')
  if (algorithm !== 'aws:kms')
    throw new SealgateError(
      algorithm === 'AES256' || algorithm === 'aws:kms:dsse'
        ? 'NotImplemented'
        : 'InvalidEncryptionAlgorithmError',
      'Every bucket of this gateway is encrypted as aws:kms, under the key that the configuration of the gateway gives it; nothing else can be chosen here.',
      { details: { ArgumentName: 'SSEAlgorithm', ArgumentValue: algorithm ?? '' } },
    )
  const keyId = wanted === undefined ? undefined : childText(wanted, 'KMSMasterKeyID')
  if (keyId !== undefined && keyId !== '' && !gateway.keys.meansCmk(bucket, keyId))
    throw new SealgateError('KMS.NotFoundException')
  if (childText(rule, 'BucketKeyEnabled')?.toLowerCase() === 'false')
    throw new SealgateError(
      'NotImplemented',
      'One data key serves many objects here, which is what BucketKeyEnabled true says; false cannot be chosen.',
    )
}

/** Back to the default, which is the same: what the configuration says. */
export async function deleteBucketEncryption(gateway: Gateway, bucket: string): Promise<void> {
  await headBucket(gateway, bucket)
}
