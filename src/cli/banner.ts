import { join } from 'node:path'
import { type Credentials, keyringPath } from '../app.ts'
import type { Config } from '../config/config.ts'

/** What the operator needs to go on: endpoint, keys, and a command for each of three clients. */
export function banner(
  config: Config,
  host: string,
  port: number,
  found: { credentials: Credentials; madeNow: boolean; configured: boolean },
): string {
  const endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  if (found.configured)
    return `Sealgate serves S3 on ${endpoint} (access key ${found.credentials.accessKeyId}, from the configuration)`
  const { accessKeyId, secretAccessKey } = found.credentials
  const region = config.region ?? 'us-east-1'
  const keys = `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`
  return `Sealgate serves S3 on ${endpoint}

  Access key id:      ${accessKeyId}
  Secret access key:  ${secretAccessKey}
  Region:             ${region}
  (${found.madeNow ? 'made now; kept' : 'kept'} in ${join(config.dataDir, 'credentials.json')}; the keyring is ${keyringPath(config)}: back it up, without it nothing can be read)

Try it:
  aws-cli:  ${keys} AWS_DEFAULT_REGION=${region} aws --endpoint-url ${endpoint} s3 mb s3://demo
  rclone:   ${keys} rclone lsd :s3: --s3-env-auth --s3-provider Other --s3-endpoint ${endpoint} --s3-region ${region} --s3-server-side-encryption aws:kms
  restic:   ${keys} restic -r s3:${endpoint}/backups init`
}
