import { join } from 'node:path'
import { type Credentials, keyringPath } from '../app.ts'
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
  const now = (made: boolean) => (made ? ' (made now)' : '')
  const keyring = `${keysOf(config, now(found.keyringMade))}${warning(host)}`
  const { accessKeyId, secretAccessKey } = found.credentials
  if (found.configured)
    return `Sealgate serves S3 on ${endpoint}

  Access key id:      ${accessKeyId} (from the configuration)
${keyring}
`
  const region = config.region ?? 'us-east-1'
  const keys = `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`
  return `Sealgate serves S3 on ${endpoint}

  Access key id:      ${accessKeyId}
  Secret access key:  ${secretAccessKey}
  Region:             ${region}
  Kept in:            ${join(config.dataDir, 'credentials.json')}${now(found.madeNow)}
${keyring}

Try it in another terminal:
  aws-cli:  ${keys} AWS_DEFAULT_REGION=${region} aws --endpoint-url ${endpoint} s3 mb s3://demo
  rclone:   ${keys} rclone lsd :s3: --s3-env-auth --s3-provider Other --s3-endpoint ${endpoint} --s3-region ${region} --s3-server-side-encryption aws:kms
  restic:   ${keys} AWS_DEFAULT_REGION=${region} restic -r s3:${endpoint}/backups init

Ctrl-C stops.
`
}

function keysOf({ kms, ...config }: Config, now: string): string {
  if (kms.provider === 'tencent')
    return `  Keys:               Tencent Cloud KMS, ${kms.region}, ${kms.keyId}`
  return `  Keyring:            ${keyringPath({ kms, ...config })}${now}
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
    : `\n\n  Reachable from other machines (it listens on ${host}) by plain HTTP: put TLS in front.`
}
