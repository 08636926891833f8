import { SingleFlight } from '../../base/single-flight.ts'
import { SealgateError } from '../../errors.ts'
import type { Credentials, StoreCredentials } from '../wire/credentials.ts'

export function fixedCredentials(credentials: StoreCredentials): Credentials {
  return { get: async () => credentials, renew: async () => false }
}

export interface ExpiringCredentials extends StoreCredentials {
  readonly expiration?: Date | undefined
}

/** New ones are fetched this long before the old ones end; until those have ended, failing to is no fault. */
const RENEW_AHEAD_MS = 5 * 60_000

/** Credentials with an end: kept until shortly before it, fetched once for all who wait. */
export function renewedCredentials(
  fetch: () => Promise<ExpiringCredentials>,
  now: () => number = Date.now,
): Credentials {
  let current: ExpiringCredentials | null = null
  let triedAt = 0
  const flight = new SingleFlight<ExpiringCredentials>()
  const fetched = async () => {
    triedAt = now()
    current = await flight.run('', fetch)
    return current
  }
  const endsIn = (credentials: ExpiringCredentials) =>
    (credentials.expiration?.getTime() ?? Number.POSITIVE_INFINITY) - now()
  return {
    async get() {
      if (current !== null && endsIn(current) > RENEW_AHEAD_MS) return current
      const usable = current !== null && endsIn(current) > 0 ? current : null
      // Not at every request while it fails.
      if (usable !== null && now() - triedAt < 10_000) return usable
      try {
        return await fetched()
      } catch (cause) {
        if (usable !== null) return usable
        throw new SealgateError('ServiceUnavailable', undefined, {
          cause,
          reason: 'there are no credentials for the store',
          headers: { 'retry-after': '5' },
        })
      }
    },
    async renew() {
      if (now() - triedAt < 1000) return false
      current = null
      return true
    },
  }
}

/**
 * What AWS's own tools would use: variables, profile files, single sign-on, web identity, the role of a container or machine. Loaded
 * only here, as it is large.
 */
export async function defaultCredentials(): Promise<Credentials> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
  return renewedCredentials(defaultProvider())
}
