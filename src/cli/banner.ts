import { join } from 'node:path'
import { type Credentials, keyringPath, storeName } from '../app.ts'
import type { Config } from '../config/config.ts'

interface Found {
  readonly credentials: Credentials
  readonly madeNow: boolean
  /** By the configuration: then the secret is not printed. */
  readonly configured: boolean
  readonly keyringMade: boolean
}

/** What the operator needs to go on: endpoint, keys, what to back up, and a command for each of three clients. */
export function banner(config: Config, host: string, port: number, found: Found): string {
  const endpoint = `http://${reachable(host)}:${port}`
  const region = config.region ?? 'us-east-1'
  const { accessKeyId, secretAccessKey } = found.credentials
  const { configured } = found
  const rows = [
    row('Access key id', accessKeyId, configured ? 'from the configuration' : ''),
    configured ? '' : row('Secret access key', secretAccessKey),
    row('Region', region, config.region === null ? 'any is accepted' : ''),
    configured ? '' : row('Credentials file', join(config.dataDir, 'credentials.json'), made(found.madeNow)),
    row('Objects', storeName(config), 'encrypted'),
    keysOf(config, found.keyringMade),
  ]
  const text = rows.filter((line) => line !== '').join('\n')
  const end = configured ? '' : tryIt(endpoint, region, found.credentials)
  return `Sealgate serves S3 on ${endpoint}\n\n${text}\n${warning(host)}${end}`
}

function row(name: string, value: string, note = ''): string {
  return `  ${`${name}:`.padEnd(19)} ${value}${note === '' ? '' : ` (${note})`}`
}

function made(now: boolean): string {
  return now ? 'made now' : ''
}

/** Lines to be pasted whole, so nothing stands before them. */
function tryIt(endpoint: string, region: string, { accessKeyId, secretAccessKey }: Credentials): string {
  return `
Try it in another terminal. Paste this line first:

export AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_DEFAULT_REGION=${region}

and then a command of aws-cli, rclone or restic:

aws --endpoint-url ${endpoint} s3 mb s3://demo
rclone lsd :s3: --s3-env-auth --s3-provider Other --s3-endpoint ${endpoint} --s3-region ${region} --s3-server-side-encryption aws:kms
restic -r s3:${endpoint}/backups init

Ctrl-C stops.
`
}

function keysOf(config: Config, madeNow: boolean): string {
  const { kms } = config
  if (kms.provider === 'vault') return row('Keys', `Vault, ${kms.vault?.address}, ${kms.vault?.key}`)
  if (kms.provider === 'aws') return row('Keys', `AWS KMS, ${kms.aws?.region}, ${kms.aws?.keyId}`)
  if (kms.provider === 'tencent')
    return row('Keys', `Tencent Cloud KMS, ${kms.tencent?.region}, ${kms.tencent?.keyId}`)
  return `${row('Keyring', keyringPath(config), made(madeNow))}
                      BACK IT UP, apart from the data: without it nothing can be read.`
}

/** An address that a client on this machine can use: one that means "all of them" is for listening only. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function warning(host: string): string {
  return /^(127\.|::1$|localhost$)/.test(host)
    ? ''
    : `\n  Reachable from other machines (it listens on ${host}) by plain HTTP: put TLS in front.\n`
}
