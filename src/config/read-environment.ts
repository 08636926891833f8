import { parseDocument } from 'yaml'
import { FIELDS, type FieldName } from './fields.ts'
import { BUCKETS_VARIABLE, type Settings, VARIABLE_PREFIX } from './settings.ts'

/** Read by the command line itself. */
const CONFIG_VARIABLE = 'SEALGATE_CONFIG'

/** Kubernetes and container links put these beside every Service named sealgate; nobody wrote them. PORT is one if it is an address. */
const LINK =
  /^SEALGATE_(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|PORT=[a-z]+:\/\/|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?=|NAME=)/

/** Reads the SEALGATE_ variables into `settings`, over what a file said. */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  settings: Settings,
): void {
  const byVariable = new Map<string, FieldName>(
    Object.entries(FIELDS).map(([name, field]) => [field.env, name as FieldName]),
  )
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || variable === CONFIG_VARIABLE || text === undefined) continue
    const name = byVariable.get(variable)
    if (variable === BUCKETS_VARIABLE) settings.setRules(parseRules(text), 'environment')
    else if (name !== undefined) settings.set(name, parse(name, text), 'environment')
    else if (!LINK.test(`${variable}=${text}`))
      settings.unknown('variable', variable, [...byVariable.keys(), BUCKETS_VARIABLE], 'environment')
  }
}

function parse(name: FieldName, text: string): unknown {
  const { type } = FIELDS[name]
  if (type === 'integer' && /^-?\d{1,16}$/.test(text)) return Number(text)
  if (type === 'list') return text.split(',').filter((item) => item !== '')
  return text
}

/** Undefined rules would be none; what cannot be parsed must be a mistake. */
function parseRules(text: string): unknown {
  const document = parseDocument(text)
  try {
    return document.errors.length > 0 ? text : document.toJS()
  } catch {
    return text
  }
}
