import type { Logger } from 'pino'
import { checkKeys } from '../check/check-keys.ts'
import type { Config } from '../config/config.ts'

/**
 * Tries each key of Vault once beside a start, and warns of those that do not work: nobody has asked Vault for anything yet, where other key
 * services were asked what a name stands for. No refusal: what is away may come back.
 */
export async function warnOfKeys(config: Config, file: string | undefined, log: Logger): Promise<void> {
  if (config.kms.vault === null) return
  try {
    const findings = await checkKeys({ config, realm: null, buckets: [], only: 'vault' })
    for (const { status, what, hint } of findings)
      if (status === 'failed')
        log.warn({ config: file ?? 'environment', hint }, `a key does not work: ${what}`)
  } catch (error) {
    log.warn({ err: error }, 'the keys could not be tried')
  }
}
