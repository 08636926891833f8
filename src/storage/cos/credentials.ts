import { type TencentCredentials, TencentCredentialsError } from '../../base/tencent-credentials.ts'
import { SealgateError } from '../../errors.ts'
import type { Credentials } from '../wire/credentials.ts'

/** Not at every request while they are refused. */
const RENEW_AFTER_MS = 1000

/** Those of Tencent Cloud's own clients, for a store. */
export function cosCredentials(
  source: (refresh: boolean) => Promise<TencentCredentials>,
  now: () => number = () => performance.now(),
): Credentials {
  let renewedAt = Number.NEGATIVE_INFINITY
  let refresh = false
  return {
    async get() {
      try {
        const { secretId, secretKey, token } = await source(refresh)
        refresh = false
        return { accessKeyId: secretId, secretAccessKey: secretKey, sessionToken: token }
      } catch (error) {
        if (!(error instanceof TencentCredentialsError)) throw error
        throw new SealgateError('ServiceUnavailable', undefined, {
          cause: error,
          reason: `there are no credentials for the store: ${error.message}`,
          headers: { 'retry-after': '5' },
        })
      }
    },
    async renew() {
      if (now() - renewedAt < RENEW_AFTER_MS) return false
      renewedAt = now()
      refresh = true
      return true
    },
  }
}
