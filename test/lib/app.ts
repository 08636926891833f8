/** A gateway in this process, made from a configuration as `sealgate serve` makes it, with a client: quicker than a process of its own. */
import { S3Client } from '@aws-sdk/client-s3'
import { prepare, startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/telemetry/log.ts'

export interface TestApp {
  readonly s3: S3Client
  close(): Promise<void>
}

const credentials = { accessKeyId: 'AKIDINPROCESS', secretAccessKey: 'a-secret-of-this-process' }

export async function runApp(environment: Readonly<Record<string, string>>): Promise<TestApp> {
  const config = loadConfig(undefined, { SEALGATE_LISTEN: '127.0.0.1:0', ...environment })
  const log = createLog('silent')
  await prepare(config, log)
  const app = await startApp(config, { credentials }, log)
  const s3 = new S3Client({
    endpoint: `http://${app.host}:${app.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    maxAttempts: 1,
  })
  return {
    s3,
    async close() {
      s3.destroy()
      await app.close()
    },
  }
}
