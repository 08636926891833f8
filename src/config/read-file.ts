import { readFileSync } from 'node:fs'
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml'
import { FIELDS, type FieldName } from './fields.ts'
import type { Settings } from './settings.ts'

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user has no permission',
  EISDIR: 'it is a directory',
  ENOTDIR: 'its path leads through a file',
}

/** Reads a YAML file into `settings`; its mistakes carry file and line. */
export function readFile(file: string, settings: Settings): void {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const why = Object.hasOwn(UNREADABLE, code) ? UNREADABLE[code] : code
    settings.mistakes.push(`${file}: cannot be read: ${why}; name the file by --config or SEALGATE_CONFIG`)
    return
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  settings.mistakes.push(...document.errors.map((error) => `${file}:${syntaxMistake(error)}`))
  // An empty file, or one with every field commented out, is the defaults.
  if (document.errors.length > 0 || document.contents === null || isNull(document.contents)) return
  const at = (node: unknown) => `${file}:${lines.linePos((node as Node | null)?.range?.[0] ?? 0).line}`
  readMap(document.contents, '', { document, at, settings })
}

interface Reading {
  readonly document: Document
  /** File and line of a node. */
  readonly at: (node: unknown) => string
  readonly settings: Settings
}

function readMap(map: unknown, prefix: string, reading: Reading): void {
  const { at, settings } = reading
  if (!isMap(map)) {
    const fields = Object.keys(FIELDS).filter((name) => name.startsWith(prefix))
    settings.mistakes.push(
      `${at(map)}: ${prefix === '' ? 'the file' : prefix.slice(0, -1)}: must be a mapping of fields, such as ${fields[0]}`,
    )
    return
  }
  for (const { key, value } of map.items) {
    const name = `${prefix}${String(key)}`
    const origin = at(value ?? key)
    if (name === 'buckets')
      withValue(value, reading, (raw) =>
        settings.setRules(raw, origin, isSeq(value) ? value.items.map(at) : []),
      )
    else if (Object.hasOwn(FIELDS, name))
      withValue(value, reading, (raw) => settings.set(name as FieldName, raw, origin))
    else if (!Object.keys(FIELDS).some((known) => known.startsWith(`${name}.`)))
      settings.unknown('field', name, [...Object.keys(FIELDS), 'buckets'], at(key))
    // A level whose fields are all commented out sets nothing.
    else if (!isNull(value)) readMap(value, `${name}.`, reading)
  }
}

function isNull(value: unknown): boolean {
  return value === null || (isScalar(value) && value.value === null)
}

/** Hands on the plain value of a node. One that has none, such as an alias without its anchor, is a mistake of its own. */
function withValue(node: unknown, { document, at, settings }: Reading, use: (raw: unknown) => void): void {
  let raw: unknown
  try {
    raw = (node as Node | null)?.toJS(document) ?? null
  } catch (error) {
    settings.mistakes.push(`${at(node)}: ${error instanceof Error ? error.message : String(error)}`)
    return
  }
  use(raw)
}

/** The parser's first line, with the place in front and without advice to programmers. */
function syntaxMistake(error: YAMLError): string {
  const { line, col } = error.linePos?.[0] ?? { line: 1, col: 1 }
  const [first = ''] = error.message.split('\n')
  const what =
    error.code === 'MULTIPLE_DOCS' ? 'the file must hold one document' : first.replace(/ at line \d+.*$/, '')
  return `${line}:${col}: ${what}`
}
