import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import type { Logger } from 'pino'
import {
  keyringPath,
  type Prepared,
  prepare,
  type RunningApp,
  StartupError,
  startApp,
  storeDirectory,
} from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { DirectoryLockedError, lockDirectory } from '../storage/filesystem/directory-lock.ts'
import { createLog } from '../telemetry/log.ts'
import { banner } from './banner.ts'
import { loadOrMakeCredentials, makeDataDirectory } from './credentials.ts'
import { warnOfKeys } from './key-warnings.ts'
import { closeLostConnections } from './lost-connections.ts'
import { inWords } from './refusal.ts'
import { onSignal } from './signals.ts'
import { askPrepared, tellPrepared } from './worker-prepared.ts'
import { boundYoungGeneration } from './young-generation.ts'

export async function serve(file: string | undefined): Promise<void> {
  boundYoungGeneration()
  const config = loadConfig(file, process.env)
  const log = createLog(config.logLevel)
  if (cluster.isWorker) return runWorker(config, log)

  // Until there is something to close, a signal just ends: whatever was half-made is made again by the next start.
  let stop = async (): Promise<void> => process.exit(0)
  onSignal(() => {
    log.info('stopping')
    return stop()
  })
  makeDataDirectory(config)
  const lock = await lockStore(config)
  const keyringMade = !existsSync(keyringPath(config))
  const capabilities = await prepare(config, log)
  const found = { ...loadOrMakeCredentials(config), keyringMade }
  const announce = (host: string, port: number) => {
    console.log(banner(config, host, port, found))
    log.info({ host, port, workers: config.workers }, 'serving')
    void warnOfKeys(config, file, log)
  }
  const prepared = { credentials: found.credentials, capabilities }
  if (config.workers === 1) {
    const app = await startApp(config, prepared, log)
    stop = async () => {
      await app.close()
      lock.release()
      log.info('stopped')
    }
    announce(app.host, app.port)
    return
  }
  await runPrimary(config, prepared, log, announce, (end) => {
    stop = end
  })
  lock.release()
  log.info('stopped')
}

/** A directory is one machine's; an S3 server is for any number of gateways. */
async function lockStore(config: Config): Promise<{ release(): void }> {
  if (config.store !== 'fs') return { release: () => undefined }
  try {
    return await lockDirectory(storeDirectory(config))
  } catch (error) {
    if (error instanceof DirectoryLockedError)
      throw new StartupError(
        `The data directory ${config.dataDir} is in use by another running Sealgate. Stop it, or name another directory by dataDir / SEALGATE_DATA_DIR.`,
        { cause: error },
      )
    const why = inWords(error) ?? (error instanceof Error ? error.message : String(error))
    throw new StartupError(`The store ${storeDirectory(config)} cannot be opened: ${why}.`, { cause: error })
  }
}

/** Forks the workers, brings a crashed one back (with a pause that grows), and ends when all have ended after a signal. */
function runPrimary(
  config: Config,
  prepared: Prepared,
  log: Logger,
  announce: (host: string, port: number) => void,
  onStop: (stop: () => Promise<void>) => void,
): Promise<void> {
  return new Promise((done, fail) => {
    let stopping = false
    let announced = false
    let listening = 0
    let crashes = 0
    const fork = () => {
      const worker = cluster.fork()
      closeLostConnections(worker)
      tellPrepared(worker, prepared)
    }
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
      log.error({ worker: worker.process.pid, code, signal, pauseMs }, 'a worker ended; starting another')
      setTimeout(() => {
        if (!stopping) fork()
      }, pauseMs)
    })
    for (let index = 0; index < config.workers; index++) fork()
    onStop(async () => {
      stopping = true
      for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
    })
  })
}

async function runWorker(config: Config, log: Logger): Promise<void> {
  let app: RunningApp | undefined
  // Without its primary a worker has no listener and nobody to bring it back.
  process.once('disconnect', () => process.exit(0))
  onSignal(async () => {
    await app?.close()
    process.exit(0)
  })
  app = await startApp(config, await askPrepared(), log)
}
