import { FIELDS, type FieldName } from './fields.ts'
import type { BucketRule, Settings } from './settings.ts'
import { suggestion } from './suggestion.ts'

const MATCH = /^[A-Za-z0-9._*-]{1,255}$/
const SERVICES: readonly string[] = FIELDS['kms.provider'].values
/** What configures a key service that needs more than a keyring. */
const CONFIGURED_BY: Readonly<Record<string, FieldName>> = {
  tencent: 'kms.tencent.region',
  aws: 'kms.aws.region',
  vault: 'kms.vault.address',
}

/** Adds what is wrong with the rules for buckets, as far as no key service has to be asked. */
export function checkRules(settings: Settings): void {
  for (const [index, rule] of settings.rules.entries())
    for (const what of mistakesIn(rule, settings))
      settings.mistakes.push(`${settings.ruleOrigins[index]}: the rule for ${rule.match}: ${what}`)
}

function mistakesIn({ match, cmk, retired = [] }: BucketRule, settings: Settings): readonly string[] {
  const names = [...(cmk === undefined ? [] : [cmk]), ...retired]
  return [
    ...(MATCH.test(match)
      ? []
      : [
          `match: must be the name of a bucket, or a pattern of names with * in it (got ${JSON.stringify(match)})`,
        ]),
    ...names.flatMap((name) => noService(name) ?? []),
    ...(cmk === undefined ? [] : [notConfigured(cmk, settings) ?? []].flat()),
  ]
}

/** A name is PROVIDER:NAME, an ARN, or a bare name of the default provider, which has no colon. */
function noService(name: string): string | null {
  const colon = name.indexOf(':')
  const service = name.slice(0, Math.max(0, colon))
  if (colon < 0 || service === 'arn') return null
  if (!SERVICES.includes(service))
    return `${name}: there is no key service ${JSON.stringify(service)}${suggestion(service, SERVICES)} (${SERVICES.join(', ')})`
  return name.length > colon + 1 ? null : `${JSON.stringify(name)} names a key service and no key of it`
}

/** Of a retired CMK the service may be gone. */
function notConfigured(cmk: string, { origins, values }: Settings): string | null {
  const named = cmk.startsWith('arn:') ? 'aws' : cmk.slice(0, Math.max(0, cmk.indexOf(':')))
  const field = CONFIGURED_BY[named === '' ? String(values.get('kms.provider')) : named]
  if (field === undefined || origins.has(field) || named === '') return null
  return `${cmk}: the key service ${named} is not configured; set ${field} / ${FIELDS[field].env}`
}
