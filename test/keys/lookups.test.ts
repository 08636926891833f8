import assert from 'node:assert/strict'
import { it } from 'node:test'
import { KmsError } from '../../src/keys/index.ts'
import { openAws } from '../../src/keys/kms/aws-service.ts'
import { openTencent } from '../../src/keys/kms/tencent-service.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'

it('a name that AWS KMS does not know says region, address and fields, with one full stop', async () => {
  const emulator = await AwsKmsEmulator.start()
  emulator.setAccount('AKID', 'the-secret')
  const { region, endpoint } = emulator
  const credentials = { accessKeyId: 'AKID', secretAccessKey: 'the-secret' }
  const service = await openAws({ region, endpoint, keyId: 'alias/nothing', credentials }, 2000)
  try {
    await assert.rejects(service.resolve('alias/nothing'), (error) => {
      assert.ok(error instanceof KmsError)
      assert.equal(error.fault, 'not-found')
      assert.match(
        error.message,
        /^NotFoundException: .*[^.]\. Asked for alias\/nothing in .*kms\.aws\.keyId.*kms\.aws\.region/,
      )
      assert.ok(error.message.includes(endpoint))
      return true
    })
  } finally {
    service.close()
    await emulator.close()
  }
})

it('a Tencent Cloud KMS that is away says the same', async () => {
  const endpoint = 'http://127.0.0.1:1'
  const credentials = { secretId: 'id', secretKey: 'key' }
  const service = openTencent({ region: 'ap-test', endpoint, keyId: 'alias/x', credentials }, 500, {})
  try {
    await assert.rejects(
      service.resolve('alias/x'),
      /alias\/x in ap-test at http:\/\/127\.0\.0\.1:1: check kms\.tencent\.keyId/,
    )
  } finally {
    service.close()
  }
})
