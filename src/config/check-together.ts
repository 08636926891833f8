import { FIELDS, type FieldName } from './fields.ts'
import type { Settings } from './settings.ts'

/** Fields that only make sense together: either all of them or none. */
const TOGETHER: readonly (readonly [FieldName, FieldName])[] = [
  ['accessKeyId', 'secretAccessKey'],
  ['kms.tencent.secretId', 'kms.tencent.secretKey'],
  ['kms.aws.accessKeyId', 'kms.aws.secretAccessKey'],
]

/** The section of each key service that has one: what it cannot do without, and what it needs as the default one. */
const SECTIONS: Readonly<Record<string, { readonly needed: FieldName; readonly asDefault: FieldName }>> = {
  tencent: { needed: 'kms.tencent.region', asDefault: 'kms.tencent.keyId' },
  aws: { needed: 'kms.aws.region', asDefault: 'kms.aws.keyId' },
}

/** Adds the mistakes that no field has by itself. */
export function checkTogether(settings: Settings): void {
  const { origins, values } = settings
  for (const [one, other] of TOGETHER) {
    if (origins.has(one) !== origins.has(other))
      settings.mistakes.push(
        `${one}, ${other}: set both (${FIELDS[one].env} and ${FIELDS[other].env}) or neither`,
      )
  }
  for (const [provider, { needed, asDefault }] of Object.entries(SECTIONS)) {
    const isDefault = values.get('kms.provider') === provider
    const begun = [...origins.keys()].find((name) => name.startsWith(`kms.${provider}.`))
    if ((isDefault || begun !== undefined) && !origins.has(needed))
      missing(settings, needed, isDefault ? `kms.provider ${provider}` : begun)
    if (isDefault && !origins.has(asDefault)) missing(settings, asDefault, `kms.provider ${provider}`)
  }
}

function missing({ mistakes }: Settings, name: FieldName, because: string | undefined): void {
  mistakes.push(`${name}: must be set for ${because} (${FIELDS[name].env}); ${FIELDS[name].hint}`)
}
