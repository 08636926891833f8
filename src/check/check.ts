import type { Config } from '../config/config.ts'
import { checkKeys } from './check-keys.ts'
import { checkStore } from './check-store.ts'
import type { Capability, Finding } from './finding.ts'

export interface CheckReport {
  readonly status: 'ok' | 'warning' | 'failed'
  readonly findings: readonly Finding[]
  /** What the store can do, as it was just tried; null if it could not be. */
  readonly capabilities: readonly Capability[] | null
}

/** Looks at everything that a start needs, without making what a start makes. */
export async function check(config: Config, file: string | undefined): Promise<CheckReport> {
  const store = await checkStore(config)
  const keys = await checkKeys({ config, realm: store.realm, buckets: store.buckets })
  const findings = [...configurationFindings(config, file), ...store.findings, ...keys]
  const has = (status: Finding['status']) => findings.some((finding) => finding.status === status)
  const status = has('failed') ? 'failed' : has('warning') ? 'warning' : 'ok'
  return { status, findings, capabilities: store.capabilities }
}

function configurationFindings(config: Config, file: string | undefined): readonly Finding[] {
  const from = file === undefined ? 'Variables and defaults are' : `${file}, with variables and defaults, is`
  const findings: Finding[] = [{ part: 'configuration', status: 'ok', what: `${from} in order.` }]
  const reading = config.plaintext.filter(({ plaintext }) => plaintext === 'read').map(({ match }) => match)
  if (reading.length > 0)
    findings.push({
      part: 'configuration',
      status: 'warning',
      what: `plaintext: read for ${reading.join(', ')}: objects that nobody sealed are served there, and who can write the store can forge them.`,
      hint: 'Set it back once all objects are copied in (docs/security.md).',
    })
  return findings
}
