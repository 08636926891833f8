/** A start that fails leaves nothing open: a command that goes on to say why would not end. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startApp } from '../src/app.ts'
import { type Config, loadConfig } from '../src/config/config.ts'
import { openOffline, openOfflineKeys } from '../src/offline.ts'
import { createLog } from '../src/telemetry/log.ts'
import { TencentKmsEmulator } from './emulators/tencent-kms.ts'

const credentials = { accessKeyId: 'AKIDCLIENT', secretAccessKey: 'a-secret-of-the-client' }
const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-release-'))
let kms: TencentKmsEmulator
let config: Config

before(async () => {
  kms = await TencentKmsEmulator.start()
  kms.setAccount('AKIDKEYS', 'secret-key-of-the-service')
  kms.createKey('own')
  // No store can be there.
  writeFileSync(join(dataDir, 'store'), '')
  config = loadConfig(undefined, {
    SEALGATE_DATA_DIR: dataDir,
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_KMS: 'tencent',
    SEALGATE_TENCENT_REGION: kms.region,
    SEALGATE_TENCENT_KMS_ENDPOINT: kms.endpoint,
    SEALGATE_TENCENT_KMS_KEY_ID: 'alias/own',
    SEALGATE_TENCENT_SECRET_ID: 'AKIDKEYS',
    SEALGATE_TENCENT_SECRET_KEY: 'secret-key-of-the-service',
  })
})
after(async () => {
  await kms.close()
  rmSync(dataDir, { recursive: true })
})

const starts = {
  'a gateway': () => startApp(config, { credentials }, createLog('silent')),
  'keys and store of a command': () => openOffline(config),
  'keys of a command': () => openOfflineKeys(config),
}

describe('without a store', () => {
  for (const [name, start] of Object.entries(starts))
    it(`${name}: the key service is left`, async () => {
      const asked = kms.calls.length
      await assert.rejects(start())
      assert.ok(kms.calls.length > asked, 'it was asked before')
      // Sooner than either side would end an idle one by itself.
      for (let tries = 0; (await kms.connections()) > 0; tries += 1) {
        assert.ok(tries < 200, 'a connection stays open')
        await delay(10)
      }
    })
})
