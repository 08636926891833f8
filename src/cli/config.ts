import { loadSettings } from '../config/config.ts'
import type { Field } from '../config/field.ts'
import { FIELDS } from '../config/fields.ts'

const COLUMN = 44

/** Prints every field, its value and where that is from. */
export function config(file: string | undefined): void {
  const { values, origins, rules } = loadSettings(file, process.env)
  for (const [name, field] of Object.entries(FIELDS) as [keyof typeof FIELDS, Field][]) {
    const secret = field.type === 'string' && field.secret === true
    const value = values.get(name) ?? null
    const set =
      value === null
        ? `# ${name}: not set`
        : secret
          ? `# ${name}: set, not shown`
          : `${name}: ${JSON.stringify(value)}`
    const origin = origins.get(name) ?? 'default'
    console.log(`${set.padEnd(COLUMN)} # ${field.env}, ${origin}`)
  }
  console.log(
    `${`buckets: ${JSON.stringify(rules)}`.padEnd(COLUMN)} # SEALGATE_BUCKETS, ${origins.get('buckets') ?? 'default'}`,
  )
}
