/** What every call to a key service is bound to, byte for byte, whoever makes the data keys. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { OpenedKms } from '../../src/keys/index.ts'
import { canonicalContext } from '../../src/keys/kms/kms.ts'
import type { SeenCall } from '../emulators/emulator.ts'
import { TestBucket } from '../lib/bucket.ts'
import { parseDekEnvelope } from '../lib/dek-envelope.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { awsWorld, type KmsWorld, tencentWorld, vaultWorld } from '../lib/kms-worlds.ts'
import { storedOf } from '../recovery/helpers.ts'

type Context = { realm: string; bucket: string; dekId: string }

/** The context of a call as the service gets it, and as it has to be. */
const SERVICES = {
  tencent: {
    start: tencentWorld,
    sent: ({ body }: SeenCall) => body['EncryptionContext'],
    want: ({ bucket, dekId, realm }: Context) =>
      `{"bucket":"${bucket}","dekId":"${dekId}","realm":"${realm}"}`,
    calls: { kms: ['GenerateDataKey', 'Decrypt'], local: ['Encrypt', 'Decrypt'] },
  },
  aws: {
    start: awsWorld,
    sent: ({ body }: SeenCall) => body['EncryptionContext'],
    want: ({ bucket, dekId, realm }: Context) => ({ bucket, dekId, realm }),
    calls: { kms: ['GenerateDataKey', 'Decrypt'], local: ['Encrypt', 'Decrypt'] },
  },
  vault: {
    start: vaultWorld,
    sent: ({ body }: SeenCall) => body['associated_data'],
    want: (context: Context) => canonicalContext(context).toString('base64'),
    calls: {
      kms: ['transit/encrypt/own', 'transit/decrypt/own'],
      local: ['transit/encrypt/own', 'transit/decrypt/own'],
    },
  },
} as const

for (const [name, { start, sent, want, calls }] of Object.entries(SERVICES)) {
  describe(`every call to the key service ${name}`, () => {
    let world: KmsWorld
    let kms: OpenedKms
    let gateway: TestGateway
    const keys = (source: 'kms' | 'local') => ({
      kms: kms.kms,
      source,
      policy: () => ({ cmk: world.cmk, retired: [] }),
    })

    before(async () => {
      world = await start()
      kms = await world.open()
      gateway = await startGateway({ keys: keys('kms') })
      await TestBucket.create(gateway.client(), 'orders')
    })
    after(async () => {
      kms.close()
      await gateway.close()
      await world.close()
    })

    for (const source of ['kms', 'local'] as const) {
      it(`has deployment, bucket and data key as its context, with dataKeys: ${source}`, async (t) => {
        const seen = world.emulator?.calls ?? assert.fail()
        const beside = async () => {
          const replica = await startGateway({ keys: keys(source), beside: gateway })
          t.after(() => replica.close())
          return replica
        }
        const [writer, reader] = [await beside(), await beside()]
        seen.length = 0
        await TestBucket.of(writer.client(), 'orders').put(source, 'a value')
        assert.equal((await TestBucket.of(reader.client(), 'orders').read(source)).toString(), 'a value')
        const { metadata } = await storedOf(gateway.storage, 'orders', source)
        const { dekId } = parseDekEnvelope(metadata['sealgate'])
        const { realm } = gateway.gateway
        const context = { realm, bucket: 'orders', dekId: dekId.toString('hex') }
        const bound = seen.filter(({ action }) => !action.startsWith('auth/'))
        assert.deepEqual(
          bound.map(({ action }) => action),
          calls[source],
        )
        for (const call of bound) assert.deepEqual(sent(call), want(context), call.action)
      })
    }
  })
}
