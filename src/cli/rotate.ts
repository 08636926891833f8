import { loadConfig } from '../config/config.ts'
import { orderRotation } from '../keys/index.ts'
import { noRealm, openOfflineRecords } from '../offline.ts'
import { bucketsInWords, checkBucketOption, requireBucket } from './bucket-option.ts'

/** For the look itself. */
const LOOK_MS = 1000

export interface RotateOptions {
  readonly config?: string
  readonly bucket?: string
  readonly json?: boolean
}

/** Orders all running gateways to begin new epochs, and says by when they have. */
export async function rotate({ config: file, bucket = '*', json = false }: RotateOptions): Promise<void> {
  checkBucketOption(bucket)
  const config = loadConfig(file, process.env)
  const opened = await openOfflineRecords(config, { write: true })
  try {
    if (opened.realm === null) throw noRealm(config)
    await requireBucket(opened.storage, bucket)
    await orderRotation(opened.records, bucket)
  } finally {
    await opened.close()
  }
  const { pollMs } = config.epoch
  const inForceBy = new Date(Date.now() + pollMs + LOOK_MS).toISOString()
  if (json) return console.log(JSON.stringify({ bucket, inForceBy }))
  console.log(
    `New epochs for ${bucketsInWords(bucket)}: ordered. Every running gateway has seen it by ${inForceBy} (epoch.pollMs is ${pollMs / 1000} s), and seals what is begun after that under a new data key.`,
  )
}
