import assert from 'node:assert/strict'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'

export interface SentPart {
  readonly PartNumber: number
  readonly ETag: string | undefined
  readonly ChecksumCRC32?: string | undefined
}

/** A bucket as tests use it, through the JavaScript SDK: the few calls that every test makes, in one line each. */
export class TestBucket {
  readonly s3: S3Client
  readonly name: string

  private constructor(s3: S3Client, name: string) {
    this.s3 = s3
    this.name = name
  }

  static async create(s3: S3Client, name: string): Promise<TestBucket> {
    await s3.send(new CreateBucketCommand({ Bucket: name }))
    return new TestBucket(s3, name)
  }

  /** One that is there already. */
  static of(s3: S3Client, name: string): TestBucket {
    return new TestBucket(s3, name)
  }

  put(Key: string, Body: Buffer | string, more: object = {}) {
    return this.s3.send(new PutObjectCommand({ Bucket: this.name, Key, Body, ...more }))
  }

  async read(Key: string, more: object = {}): Promise<Buffer> {
    const answer = await this.s3.send(new GetObjectCommand({ Bucket: this.name, Key, ...more }))
    return Buffer.from((await answer.Body?.transformToByteArray()) ?? [])
  }

  async begin(Key: string, more: object = {}): Promise<string> {
    const { UploadId } = await this.s3.send(
      new CreateMultipartUploadCommand({ Bucket: this.name, Key, ...more }),
    )
    assert.match(UploadId ?? '', /^[A-Za-z0-9_.~-]+$/)
    return UploadId ?? ''
  }

  async send(Key: string, UploadId: string, PartNumber: number, Body: Buffer): Promise<SentPart> {
    const { ETag } = await this.s3.send(
      new UploadPartCommand({ Bucket: this.name, Key, UploadId, PartNumber, Body }),
    )
    assert.match(ETag ?? '', /^"[0-9a-f]{32}"$/)
    return { PartNumber, ETag }
  }

  complete(Key: string, UploadId: string, Parts: readonly SentPart[], more: object = {}) {
    const MultipartUpload = { Parts: [...Parts] }
    return this.s3.send(
      new CompleteMultipartUploadCommand({ Bucket: this.name, Key, UploadId, MultipartUpload, ...more }),
    )
  }

  /** A whole multipart upload of parts 1, 2, … */
  async putParts(Key: string, bodies: readonly Buffer[]) {
    const id = await this.begin(Key)
    const parts: SentPart[] = []
    for (const [index, body] of bodies.entries()) parts.push(await this.send(Key, id, index + 1, body))
    return this.complete(Key, id, parts)
  }
}

/** The call is refused with this S3 error code and HTTP status. */
export function fails(promise: Promise<unknown>, code: string, status: number): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof S3ServiceException, String(error))
    assert.deepEqual([error.name, error.$metadata.httpStatusCode], [code, status])
    return true
  })
}
