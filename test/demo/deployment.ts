/** Tencent Cloud KMS and COS as emulators, and gateways that share nothing but these two. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type COS from 'cos-nodejs-sdk-v5'
import { type Captured, capture } from '../cli/capture.ts'
import { cosClient } from '../emulators/cos-client.ts'
import { type CosServer, startCosServer } from '../emulators/cos-server.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { type RunningServer, startServer } from '../lib/server.ts'

export const CLIENT = { accessKeyId: 'AKIDCLIENT', secretAccessKey: 'the-secret-of-the-clients' }
const [SECRET_ID, SECRET_KEY] = ['AKIDGATEWAY', 'the-secret-of-the-gateway']

export interface StoredObject {
  readonly bucket: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
}

export class Deployment {
  readonly directory = mkdtempSync(join(tmpdir(), 'sealgate-demo-'))
  readonly replicas: RunningServer[] = []
  readonly kms: TencentKmsEmulator
  readonly cos: CosServer
  readonly cmk: string
  readonly #sdk: COS

  private constructor(kms: TencentKmsEmulator, cos: CosServer) {
    this.kms = kms
    this.cos = cos
    this.cmk = kms.createKey('sealgate')
    kms.setAccount(SECRET_ID, SECRET_KEY)
    cos.setAccount(SECRET_ID, SECRET_KEY)
    this.#sdk = cosClient(cos)
  }

  static async start(): Promise<Deployment> {
    return new Deployment(await TencentKmsEmulator.start(), await startCosServer())
  }

  /** Of a gateway, and of every command: the same for all. */
  get environment(): Record<string, string> {
    const { cos } = this
    return {
      SEALGATE_STORE: 'cos',
      SEALGATE_COS_APP_ID: cos.appid,
      SEALGATE_COS_REGION: cos.region,
      SEALGATE_COS_DOMAIN: 'http://{bucket}.cos.{region}.myqcloud.com',
      SEALGATE_COS_CONNECT_TO: cos.address,
      SEALGATE_COS_SECRET_ID: SECRET_ID,
      SEALGATE_COS_SECRET_KEY: SECRET_KEY,
      ...this.keyService,
      SEALGATE_KMS_GRACE_MS: '60000',
      SEALGATE_KMS_TIMEOUT_MS: '500',
      SEALGATE_EPOCH_POLL_MS: '1000',
      SEALGATE_LOG_LEVEL: 'error',
      SEALGATE_DATA_DIR: this.directory,
    }
  }

  /** What opens an object without the gateway and without the store. */
  get keyService(): Record<string, string> {
    return {
      SEALGATE_KMS: 'tencent',
      SEALGATE_TENCENT_REGION: this.kms.region,
      SEALGATE_TENCENT_KMS_ENDPOINT: this.kms.endpoint,
      SEALGATE_TENCENT_KMS_KEY_ID: 'alias/sealgate',
      SEALGATE_TENCENT_SECRET_ID: SECRET_ID,
      SEALGATE_TENCENT_SECRET_KEY: SECRET_KEY,
    }
  }

  async addReplica(): Promise<RunningServer> {
    const replica = await startServer({ env: this.environment, ...CLIENT })
    this.replicas.push(replica)
    return replica
  }

  sealgate(
    args: readonly string[],
    environment: Record<string, string> = this.environment,
  ): Promise<Captured> {
    return capture(args, { environment })
  }

  /** What COS gives to whoever may read it: asked by Tencent's own SDK. */
  async stored(bucket: string, key: string): Promise<StoredObject> {
    const at = { Bucket: `${bucket}-${this.cos.appid}`, Region: this.cos.region, Key: key }
    const { headers = {} } = await this.#sdk.headObject(at)
    const { Body } = await this.#sdk.getObject(at)
    return { bucket, key, headers: headers as Record<string, string>, bytes: Body as Buffer }
  }

  /** What whoever may write to COS can do. */
  async overwrite({ bucket, key, headers, bytes }: StoredObject): Promise<void> {
    const at = { Bucket: `${bucket}-${this.cos.appid}`, Region: this.cos.region, Key: key }
    const kept = Object.entries(headers).filter(([name]) => /^(content-type|x-cos-meta-.*)$/.test(name))
    await this.#sdk.putObject({ ...at, Body: bytes, Headers: Object.fromEntries(kept) })
  }

  async storedKeys(bucket: string): Promise<string[]> {
    const at = { Bucket: `${bucket}-${this.cos.appid}`, Region: this.cos.region }
    const { Contents } = await this.#sdk.getBucket({ ...at, MaxKeys: 1000 })
    return Contents.map(({ Key }) => Key)
  }

  async close(): Promise<void> {
    for (const replica of this.replicas) await replica.stop()
    await this.cos.close()
    await this.kms.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
