/**
 * Names of Tencent COS's hosts are this machine, in a process that loads this (`node --import`, or an import): so the emulator is
 * called by the hosts that its clients sign for.
 */
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

const lookup = dns.lookup as (hostname: string, ...rest: unknown[]) => void

dns.lookup = ((hostname: string, ...rest: unknown[]) =>
  lookup(
    /\.(myqcloud\.com|tencentcos\.cn)$/.test(hostname) ? '127.0.0.1' : hostname,
    ...rest,
  )) as typeof dns.lookup
syncBuiltinESMExports()
