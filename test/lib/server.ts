/** A real gateway in a child process and a temporary directory, for tests that need the whole house. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { storeEnvironment } from './real-store.ts'

export interface ServerOptions {
  /** Kept after `stop` when given; otherwise a temporary directory, removed by `stop`. */
  readonly dataDir?: string
  /** Port of the S3 face; default: one that the system gives, since one that was free a moment ago may be another test's by now. */
  readonly port?: number
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  /** More environment, for example `SEALGATE_WORKERS`. */
  readonly env?: Readonly<Record<string, string>>
  /** How long to wait for the first answer; default 20 000 ms. */
  readonly readyTimeoutMs?: number
}

export interface RunningServer {
  readonly endpoint: string
  readonly port: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly dataDir: string
  readonly child: ChildProcess
  /** Both output streams so far, for messages of failed tests. */
  output(): string
  /** SIGTERM, then SIGKILL after 10 s; removes a temporary data directory. */
  stop(): Promise<void>
  /** SIGKILL to the whole process group (workers too); keeps the data directory. */
  kill9(): Promise<void>
}

const live = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of live) killGroup(child, 'SIGKILL')
})

/** Starts `src/cli/main.ts serve` and resolves when it answers HTTP; rejects with its output when it does not. */
export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const temporary = options.dataDir === undefined
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sealgate-test-')))
  const accessKeyId = options.accessKeyId ?? 'AKIDTEST'
  const secretAccessKey = options.secretAccessKey ?? randomBytes(20).toString('hex')
  const root = join(import.meta.dirname, '../..')
  const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), 'serve'], {
    cwd: dataDir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      SEALGATE_LISTEN: `127.0.0.1:${options.port ?? 0}`,
      SEALGATE_DATA_DIR: dataDir,
      SEALGATE_ACCESS_KEY_ID: accessKeyId,
      SEALGATE_SECRET_ACCESS_KEY: secretAccessKey,
      ...storeEnvironment(dataDir),
      ...options.env,
    },
  })
  live.add(child)
  child.once('exit', () => live.delete(child))
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-20_000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const stop = async (): Promise<void> => {
    await end(child, 'SIGTERM')
    if (temporary) await rm(dataDir, { recursive: true, force: true })
  }
  try {
    const port = await portOf(child, () => output, options.readyTimeoutMs ?? 20_000)
    const endpoint = `http://127.0.0.1:${port}`
    const kill9 = () => end(child, 'SIGKILL')
    return { endpoint, port, accessKeyId, secretAccessKey, dataDir, child, output: () => output, kill9, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A port that was free a moment ago on 127.0.0.1. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new TypeError('expected a TCP address')
  return address.port
}

/** The port that the banner names, once something answers there. */
async function portOf(child: ChildProcess, output: () => string, timeoutMs: number): Promise<number> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`server ended with ${child.exitCode ?? child.signalCode}:\n${output()}`)
    const port = Number(/^Sealgate serves S3 on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(output())?.[1])
    if (port > 0 && (await answers(port))) return port
    await sleep(50)
  }
  throw new Error(`server not ready after ${timeoutMs} ms:\n${output()}`)
}

/** Any HTTP answer will do: an unsigned GET / is 403, and only a listening gateway can say so. */
async function answers(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}`, { signal: AbortSignal.timeout(2000) }).catch(
    () => undefined,
  )
  await answer?.body?.cancel()
  return answer !== undefined && answer.status < 500
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  killGroup(child, signal)
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), 10_000)
  await gone
  clearTimeout(timer)
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    child.kill(signal)
  }
}
