/** The programs that people use, as they are: restic, rclone and boto3, each told of one gateway. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CLIENT } from './deployment.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const PYTHON = join(ROOT, '.lanes/venv/bin/python')

/** Nothing of the machine's own settings. */
const CLEAN = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  NO_PROXY: '127.0.0.1',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_ACCESS_KEY_ID: CLIENT.accessKeyId,
  AWS_SECRET_ACCESS_KEY: CLIENT.secretAccessKey,
  AWS_DEFAULT_REGION: 'us-east-1',
}

async function program(command: string, args: readonly string[], env: object = {}): Promise<string> {
  const options = { env: { ...CLEAN, ...env }, maxBuffer: 64 * 1024 * 1024, timeout: 120_000 }
  const { stdout } = await run(command, [...args], options)
  return stdout
}

export function restic(endpoint: string, args: readonly string[]): Promise<string> {
  const repository = {
    RESTIC_REPOSITORY: `s3:${endpoint}/backups`,
    RESTIC_PASSWORD: 'the password of the backup',
  }
  return program('restic', ['--no-cache', '--quiet', ...args], repository)
}

/** The remote is called `gate`. */
export function rclone(endpoint: string, args: readonly string[]): Promise<string> {
  const remote = {
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_GATE_TYPE: 's3',
    RCLONE_CONFIG_GATE_PROVIDER: 'Other',
    RCLONE_CONFIG_GATE_SERVER_SIDE_ENCRYPTION: 'aws:kms',
    RCLONE_CONFIG_GATE_ENDPOINT: endpoint,
    RCLONE_CONFIG_GATE_ENV_AUTH: 'true',
  }
  return program('rclone', args, remote)
}

/** What came of a verb: a result, or what S3 answered instead. */
export interface Boto3Outcome {
  readonly result?: {
    readonly text?: string
    readonly metadata?: Record<string, string>
    readonly encryption?: string
    readonly cmk?: string
  } | null
  readonly code?: string
  readonly status?: number
}

/** One verb of `boto3_client.py`. */
export async function boto3(endpoint: string, verb: string, args: readonly string[]): Promise<Boto3Outcome> {
  const script = join(import.meta.dirname, 'boto3_client.py')
  return JSON.parse(await program(PYTHON, [script, endpoint, verb, ...args])) as Boto3Outcome
}
