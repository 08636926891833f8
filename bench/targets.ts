/** What is measured, each in processes of its own: the store itself, the bare proxy before it, the gateway before it, and any other. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BENCH_KEYS } from './bench-keys.ts'
import { familyOf } from './process-stats.ts'

export interface Target {
  readonly name: string
  readonly port: number
  /** Of all its processes. */
  pids(): number[]
  stop(): Promise<void>
}

export interface StartOptions {
  /** The core that it has for itself; null for any. */
  readonly core: number | null
}

export async function startMemoryStore(options: StartOptions): Promise<Target> {
  return started('store', start([join(import.meta.dirname, 'memory-store.ts')], options), /"port":(\d+)/)
}

export async function startBareProxy(store: Target, options: StartOptions): Promise<Target> {
  const program = [join(import.meta.dirname, 'bare-proxy.ts'), `http://127.0.0.1:${store.port}`]
  return started('bare', start(program, options), /"port":(\d+)/)
}

export interface GatewayOptions extends StartOptions {
  readonly workers?: number
  /** Null for the fs store. */
  readonly store: Target | null
}

export async function startGateway({ store, workers = 1, core }: GatewayOptions): Promise<Target> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-bench-'))
  const behind = store === null ? {} : storeSettings(store)
  const child = start([join(import.meta.dirname, '../src/cli/main.ts'), 'serve'], { core }, directory, {
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_DATA_DIR: directory,
    SEALGATE_ACCESS_KEY_ID: BENCH_KEYS.accessKeyId,
    SEALGATE_SECRET_ACCESS_KEY: BENCH_KEYS.secretAccessKey,
    SEALGATE_WORKERS: String(workers),
    ...behind,
  })
  const target = await started('gateway', child, /http:\/\/127\.0\.0\.1:(\d+)/)
  const stop = async () => {
    await target.stop()
    await rm(directory, { recursive: true, force: true })
  }
  return { ...target, stop }
}

function storeSettings({ port }: Target): Record<string, string> {
  return {
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: `http://127.0.0.1:${port}`,
    SEALGATE_S3_REGION: 'us-east-1',
    SEALGATE_S3_ADDRESSING: 'path',
    SEALGATE_S3_ACCESS_KEY_ID: BENCH_KEYS.accessKeyId,
    SEALGATE_S3_SECRET_ACCESS_KEY: BENCH_KEYS.secretAccessKey,
  }
}

function start(
  program: readonly string[],
  { core }: StartOptions,
  cwd = tmpdir(),
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const command = [process.execPath, ...program]
  const [name = '', ...rest] = core === null ? command : ['taskset', '-c', String(core), ...command]
  return spawn(name, rest, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Once it has said where it listens. */
async function started(name: string, child: ChildProcess, port: RegExp): Promise<Target> {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000)
    })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  process.once('exit', () => child.kill('SIGKILL'))
  for (let n = 0; n < 300; n++) {
    const found = port.exec(output)?.[1]
    if (found !== undefined) {
      const stop = async () => {
        child.kill('SIGTERM')
        await ended
      }
      return { name, port: Number(found), pids: () => familyOf(child.pid ?? -1), stop }
    }
    if (child.exitCode !== null) break
    await sleep(100)
  }
  child.kill('SIGKILL')
  throw new Error(`${name} did not start:\n${output}`)
}
