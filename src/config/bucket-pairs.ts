import type { FieldName } from './fields.ts'
import type { Settings } from './settings.ts'

export type Pair = readonly [name: string, value: string]

/** The items of a list of NAME=VALUE. */
export function pairsOf(values: Settings['values'], field: FieldName): readonly Pair[] {
  return (values.get(field) as readonly string[]).map((pair) => {
    const [name = '', value = ''] = pair.split('=')
    return [name, value]
  })
}

/** Adds what is wrong with names of buckets here and there. @param systemThere the system bucket's name there */
export function checkBucketPairs(
  { values, mistakes }: Settings,
  field: FieldName,
  systemThere: string,
): void {
  const system = values.get('systemBucket')
  const [names, there] = [new Set<string>(), new Set<string>()]
  for (const [name, stored] of pairsOf(values, field)) {
    if (names.has(name) || there.has(stored))
      mistakes.push(`${field}: ${name}=${stored}: each name may stand once on each side`)
    if (name === system || stored === systemThere)
      mistakes.push(`${field}: ${name}=${stored}: the system bucket ${system} is never a bucket of clients`)
    names.add(name)
    there.add(stored)
  }
}
