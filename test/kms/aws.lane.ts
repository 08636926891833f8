/** AWS KMS against two servers that are not ours: moto, which AWS's Python tools are tested with, and local-kms. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { AwsKms } from '../../src/keys/kms/aws.ts'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'
import { kmsConformance } from '../conformance/kms.ts'
import { ended } from '../lib/child-process.ts'
import { freePort } from '../lib/server.ts'

const REGION = 'eu-west-2'
const context = { realm: 'r', bucket: 'b', dekId: 'd' }
const lanes = join(import.meta.dirname, '../../.lanes')

class AwsServer {
  readonly endpoint: string
  readonly admin: KMSClient
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(port: number, child: ChildProcess, directory: string) {
    this.endpoint = `http://127.0.0.1:${port}`
    const credentials = { accessKeyId: 'AKIDLANE', secretAccessKey: 'secret' }
    this.admin = new KMSClient({ region: REGION, endpoint: this.endpoint, credentials })
    this.#child = child
    this.#directory = directory
  }

  static async start(name: keyof typeof SERVERS): Promise<AwsServer> {
    const port = await freePort()
    const directory = mkdtempSync(join(tmpdir(), 'sealgate-aws-'))
    const { command, args, env } = SERVERS[name](port, directory)
    const child = spawn(join(lanes, command), args, { stdio: 'ignore', env: { ...process.env, ...env } })
    const server = new AwsServer(port, child, directory)
    for (let n = 0; n < 300; n++) {
      if ((await fetch(server.endpoint).catch(() => null)) !== null) return server
      await sleep(100)
    }
    return assert.fail(`${name} does not answer`)
  }

  async createKey(): Promise<string> {
    const { KeyMetadata } = await this.admin.send(new CreateKeyCommand({}))
    return KeyMetadata?.Arn ?? assert.fail('no ARN')
  }

  connect(): Promise<AwsKms> {
    const credentials = { accessKeyId: 'AKIDGATEWAY', secretAccessKey: 'secret' }
    return AwsKms.load({ region: REGION, endpoint: this.endpoint, credentials, timeoutMs: 5000 })
  }

  async stop(): Promise<void> {
    this.admin.destroy()
    await ended(this.#child, 'SIGKILL')
    rmSync(this.#directory, { recursive: true })
  }
}

const SERVERS = {
  moto: (port: number, _: string) => ({
    command: 'moto/bin/moto_server',
    args: ['-H', '127.0.0.1', '-p', String(port)],
    env: {},
    differs: { deniesForeign: 'every blob that it cannot open is AccessDeniedException without a message' },
  }),
  'local-kms': (port: number, directory: string) => ({
    command: 'local-kms/local-kms',
    args: [],
    env: { PORT: String(port), KMS_REGION: REGION, KMS_DATA_PATH: directory },
    differs: { ignoresBytes: 'the ARN in front of its blobs is only read for the id in it' },
  }),
}

const faults = (promise: Promise<unknown>, fault: KmsFault) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.equal(error.fault, fault, error.message)
    return true
  })

for (const name of Object.keys(SERVERS) as (keyof typeof SERVERS)[]) {
  kmsConformance(`AWS KMS (${name})`, async () => {
    const server = await AwsServer.start(name)
    const [kms, cmk] = [await server.connect(), await server.createKey()]
    const close = async () => {
      kms.close()
      await server.stop()
    }
    const absent = cmk.replace(/[0-9a-f]{12}$/, '000000000000')
    const { differs } = SERVERS[name](0, '')
    return { kms, cmk, other: await server.createKey(), absent, close, differs }
  })

  describe(`${name} as AWS KMS`, () => {
    let server: AwsServer
    let kms: AwsKms
    let cmk: string
    before(async () => {
      server = await AwsServer.start(name)
      kms = await server.connect()
      cmk = await server.createKey()
    })
    after(async () => {
      kms.close()
      await server.stop()
    })

    it('an alias is found', async () => {
      await server.admin.send(
        new CreateAliasCommand({ AliasName: 'alias/sealgate', TargetKeyId: cmk.split('/')[1] }),
      )
      assert.equal(await kms.resolve('alias/sealgate'), cmk)
      await faults(kms.resolve('alias/seal'), 'not-found')
    })

    it('a wrapped key moves to another CMK, and only from the one that wrapped it', async () => {
      const [target, third] = [await server.createKey(), await server.createKey()]
      const { plaintext, wrapped } = await kms.generateDataKey(cmk, context)
      const moved = await kms.reEncrypt(wrapped, cmk, target, context)
      assert.ok((await kms.decrypt(target, moved, context)).equals(plaintext))
      // moto and local-kms take any SourceKeyId; the answer names the true one, and is not believed.
      await assert.rejects(
        kms.reEncrypt(wrapped, third, target, context),
        (error) => error instanceof WrappedKeyError || error instanceof KmsError,
      )
      await assert.rejects(
        kms.reEncrypt(wrapped, cmk, target, { ...context, bucket: 'other' }),
        WrappedKeyError,
      )
    })

    const skip = name === 'moto' && 'moto lets keys of every state encrypt and decrypt'
    it('a key that is disabled, or to be deleted', { skip }, async () => {
      const key = await server.createKey()
      const { plaintext, wrapped } = await kms.generateDataKey(key, context)
      await server.admin.send(new DisableKeyCommand({ KeyId: key.split('/')[1] }))
      await faults(kms.decrypt(key, wrapped, context), 'disabled')
      await server.admin.send(new EnableKeyCommand({ KeyId: key.split('/')[1] }))
      assert.ok((await kms.decrypt(key, wrapped, context)).equals(plaintext))
      await server.admin.send(new ScheduleKeyDeletionCommand({ KeyId: key.split('/')[1] }))
      await faults(kms.generateDataKey(key, context), 'invalid-state')
    })
  })
}
