import { type CheckReport, check as checkDeployment } from '../check/check.ts'
import type { Capability, Finding } from '../check/finding.ts'
import { loadConfig } from '../config/config.ts'
import { shown } from '../recovery/shown.ts'
import type { ConfigOption } from './guarded.ts'

export interface CheckOptions extends ConfigOption {
  readonly json?: boolean
}

/** Looks at configuration, store and keys, and says what is wrong and what to do. Exit status 1 if something is. */
export async function check(file: string | undefined, options: CheckOptions): Promise<void> {
  const path = file ?? options.config
  const report = await checkDeployment(loadConfig(path, process.env), path)
  console.log(options.json === true ? JSON.stringify(report) : inWords(report))
  if (report.status === 'failed') process.exitCode = 1
}

function inWords({ findings, capabilities }: CheckReport): string {
  const table =
    capabilities === null ? [] : ['', 'What the store can do:', ...capabilities.map(capabilityLine)]
  return [...findings.flatMap(findingLines), ...table, '', outcome(findings)].join('\n')
}

const [PART, STATUS] = [15, 9]

function findingLines({ part, status, what, hint }: Finding): readonly string[] {
  const line = `${part.padEnd(PART)}${status.padEnd(STATUS)}${shown(what)}`
  return hint === undefined ? [line] : [line, `${' '.repeat(PART + STATUS)}-> ${shown(hint)}`]
}

function capabilityLine({ name, has, without }: Capability): string {
  return has ? `  yes  ${name}` : `  no   ${name}: ${without}`
}

function outcome(findings: readonly Finding[]): string {
  const count = (status: Finding['status']) => findings.filter((finding) => finding.status === status).length
  const [failed, warnings, skipped] = [count('failed'), count('warning'), count('skipped')]
  if (failed > 0) return `${failed === 1 ? '1 thing is' : `${failed} things are`} wrong.`
  const rest = [
    ...(warnings > 0 ? [`${warnings === 1 ? '1 warning' : `${warnings} warnings`}`] : []),
    ...(skipped > 0 ? [`${skipped} not looked at`] : []),
  ]
  return rest.length === 0 ? 'All is in order.' : `Nothing is wrong; ${rest.join(', ')}.`
}
