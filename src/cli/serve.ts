import cluster from 'node:cluster'
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { type Credentials, prepare, type RunningApp, StartupError, startApp, storeDirectory } from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { lockDirectory } from '../storage/filesystem/directory-lock.ts'
import { createLog } from '../telemetry/log.ts'
import { banner } from './banner.ts'
import { loadOrMakeCredentials, makeDataDirectory } from './credentials.ts'
import { boundYoungGeneration } from './young-generation.ts'

/** How workers get what the primary found out; the secret stays inside the family of processes. */
const WORKER_CREDENTIALS = 'SEALGATE_WORKER_CREDENTIALS'

export async function serve(file: string | undefined): Promise<void> {
  boundYoungGeneration()
  const { [WORKER_CREDENTIALS]: inherited, ...environment } = process.env
  const config = loadConfig(file, environment)
  const log = createLog(config.logLevel)
  if (cluster.isWorker) return runWorker(config, JSON.parse(inherited ?? '{}') as Credentials, log)

  makeDataDirectory(config)
  const lock = await lockDirectory(storeDirectory(config)).catch((error: unknown) => {
    throw new StartupError(
      `The data directory ${resolve(config.dataDir)} is in use by another running Sealgate. Stop it, or name another directory by dataDir / SEALGATE_DATA_DIR.`,
      { cause: error },
    )
  })
  await prepare(config, log)
  const found = loadOrMakeCredentials(config)
  const announce = (host: string, port: number) => console.log(banner(config, host, port, found))
  if (config.workers === 1) {
    const app = await startApp(config, found.credentials, log)
    announce(app.host, app.port)
    onSignal(async () => {
      await app.close()
      lock.release()
    })
    return
  }
  await runPrimary(config, found.credentials, log, announce)
  lock.release()
}

/** Forks the workers, brings a crashed one back (with a pause that grows), and ends when all have ended after a signal. */
function runPrimary(
  config: Config,
  credentials: Credentials,
  log: Logger,
  announce: (host: string, port: number) => void,
): Promise<void> {
  return new Promise((done, fail) => {
    let stopping = false
    let announced = false
    let listening = 0
    let crashes = 0
    const fork = () => cluster.fork({ [WORKER_CREDENTIALS]: JSON.stringify(credentials) })
    cluster.on('listening', (_worker, address) => {
      crashes = 0
      if (++listening !== config.workers || announced) return
      announce(config.listen.host, address.port)
      announced = true
    })
    cluster.on('exit', (worker, code, signal) => {
      if (stopping) {
        if (Object.keys(cluster.workers ?? {}).length === 0) done()
        return
      }
      if (!announced && code === 2)
        return fail(new StartupError('The workers could not start; the reason is above.'))
      const pauseMs = Math.min(100 * 2 ** crashes++, 10_000)
      log.error({ pid: worker.process.pid, code, signal, pauseMs }, 'a worker ended; starting another')
      setTimeout(() => {
        if (!stopping) fork()
      }, pauseMs)
    })
    for (let index = 0; index < config.workers; index++) fork()
    onSignal(async () => {
      stopping = true
      for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
    })
  })
}

async function runWorker(config: Config, credentials: Credentials, log: Logger): Promise<void> {
  let app: RunningApp | undefined
  // Without its primary a worker has no listener and nobody to bring it back.
  process.once('disconnect', () => process.exit(0))
  onSignal(async () => {
    await app?.close()
    process.exit(0)
  })
  app = await startApp(config, credentials, log)
}

/** The first signal ends in good order, the second at once. */
function onSignal(stop: () => Promise<void>): void {
  let stopping = false
  const handle = () => {
    if (stopping) process.exit(1)
    stopping = true
    stop().catch((error: unknown) => {
      console.error(error)
      process.exit(1)
    })
  }
  process.on('SIGTERM', handle)
  process.on('SIGINT', handle)
}
