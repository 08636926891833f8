/** Runs the command line as an operator would: a child process, its output and its exit status. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Client } from '@aws-sdk/client-s3'

export const ROOT = join(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'src/cli/main.ts')

export interface Run {
  readonly child: ChildProcess
  /** Both streams so far. */
  output(): string
  readonly exit: Promise<number | null>
}

const children = new Set<ChildProcess>()

/** Kills what still runs, with its workers; for `afterEach`. */
export function killAll(): void {
  for (const child of children) signalGroup(child, 'SIGKILL')
}

/** Signals the process and all its children, as Ctrl-C in a terminal does. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  assert.ok(child.pid !== undefined)
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export function sealgate(args: readonly string[], environment: Record<string, string> = {}): Run {
  return run(process.execPath, [MAIN, ...args], environment)
}

export function run(command: string, args: readonly string[], environment: Record<string, string>): Run {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH, NODE_COMPILE_CACHE, ...environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  // `close` comes after the last output, `exit` perhaps before it.
  const exit = once(child, 'close').then(([code]) => {
    children.delete(child)
    return code as number | null
  })
  return { child, output: () => output, exit }
}

/** Waits for the banner and returns it. */
export async function ready(started: Run): Promise<string> {
  for (let waited = 0; waited < 15_000; waited += 25) {
    if (started.output().includes('Sealgate serves S3')) return started.output()
    if (started.child.exitCode !== null) break
    await sleep(25)
  }
  return assert.fail(`not ready: ${started.output()}`)
}

/** A client with what the banner says. */
export function clientOf(port: number, banner: string): S3Client {
  const [, accessKeyId = ''] = /Access key id: +(\S+)/.exec(banner) ?? []
  const [, secretAccessKey = ''] = /Secret access key: +(\S+)/.exec(banner) ?? []
  return new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
}
