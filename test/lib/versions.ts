import assert from 'node:assert/strict'
import {
  type DeleteMarkerEntry,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  type ObjectVersion,
  PutBucketVersioningCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { TestBucket } from './bucket.ts'

/** A bucket that keeps versions, as tests use it. */
export class VersionedBucket {
  readonly s3: S3Client
  readonly name: string
  readonly objects: TestBucket

  private constructor(s3: S3Client, objects: TestBucket) {
    this.s3 = s3
    this.name = objects.name
    this.objects = objects
  }

  static async create(s3: S3Client, name: string): Promise<VersionedBucket> {
    const bucket = new VersionedBucket(s3, await TestBucket.create(s3, name))
    await bucket.set('Enabled')
    return bucket
  }

  set(Status: 'Enabled' | 'Suspended') {
    const VersioningConfiguration = { Status }
    return this.s3.send(new PutBucketVersioningCommand({ Bucket: this.name, VersioningConfiguration }))
  }

  async status(): Promise<string | undefined> {
    return (await this.s3.send(new GetBucketVersioningCommand({ Bucket: this.name }))).Status
  }

  /** Puts an object and gives the id of the new version. */
  async put(Key: string, body: Buffer | string, more: object = {}): Promise<string> {
    const { VersionId } = await this.objects.put(Key, body, more)
    assert.ok(VersionId !== undefined, 'every version has an id')
    return VersionId
  }

  async text(Key: string, VersionId?: string): Promise<string> {
    return (await this.objects.read(Key, VersionId === undefined ? {} : { VersionId })).toString()
  }

  remove(Key: string, VersionId?: string) {
    return this.s3.send(new DeleteObjectCommand({ Bucket: this.name, Key, VersionId }))
  }

  list(more: Partial<ListObjectVersionsCommandInput> = {}) {
    return this.s3.send(new ListObjectVersionsCommand({ Bucket: this.name, ...more }))
  }

  /** All versions and delete markers of a page, each in a line, by key and then from the newest on as far as the SDK's two lists tell. */
  async entries(more: Partial<ListObjectVersionsCommandInput> = {}): Promise<string[]> {
    const { Versions = [], DeleteMarkers = [] } = await this.list(more)
    const line = (kind: string) => (entry: ObjectVersion | DeleteMarkerEntry) =>
      `${entry.Key} ${entry.VersionId}${entry.IsLatest ? ' latest' : ''}${kind}`
    return [...Versions.map(line('')), ...DeleteMarkers.map(line(' marker'))]
  }
}
