import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Credentials, StartupError } from '../app.ts'
import type { Config } from '../config/config.ts'
import { inWords } from './refusal.ts'

/** The configured credentials, or those of the first start, which stay in the data directory (0600). */
export function loadOrMakeCredentials(config: Config): {
  readonly credentials: Credentials
  readonly madeNow: boolean
  readonly configured: boolean
} {
  if (config.credentials !== null)
    return { credentials: config.credentials, madeNow: false, configured: true }
  const path = join(config.dataDir, 'credentials.json')
  if (existsSync(path)) return { credentials: read(path), madeNow: false, configured: false }
  const credentials = {
    accessKeyId: `SG${randomBytes(9).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64url'),
  }
  writeFileSync(path, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  return { credentials, madeNow: true, configured: false }
}

/** Makes the data directory, and says so plainly if it cannot be written. */
export function makeDataDirectory(config: Config): void {
  try {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
    const probe = join(config.dataDir, `.write-test-${process.pid}`)
    writeFileSync(probe, '', { flag: 'w' })
    rmSync(probe)
  } catch (error) {
    const why = inWords(error) ?? (error instanceof Error ? error.message : String(error))
    throw new StartupError(
      `The data directory ${config.dataDir} cannot be written: ${why}. Make it writable for this user, or name another by dataDir / SEALGATE_DATA_DIR.`,
      { cause: error },
    )
  }
}

function read(path: string): Credentials {
  if ((statSync(path).mode & 0o077) !== 0)
    throw new StartupError(`${path} can be read by others. Run: chmod 600 ${path}`)
  try {
    const { accessKeyId, secretAccessKey } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Credentials>
    if (
      typeof accessKeyId === 'string' &&
      typeof secretAccessKey === 'string' &&
      secretAccessKey.length >= 16
    )
      return { accessKeyId, secretAccessKey }
  } catch {
    // Falls through to the refusal: what a broken file holds is nothing to print.
  }
  throw new StartupError(
    `${path} is not a credentials file. Remove it to have new credentials made, or set SEALGATE_ACCESS_KEY_ID and SEALGATE_SECRET_ACCESS_KEY.`,
  )
}
