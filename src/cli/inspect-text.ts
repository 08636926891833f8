import type { Inspection } from './inspect.ts'

const MAX_PARTS = 20

/** One object, for people. */
export function describeForPeople({ clear, opened, reason }: Inspection, kms: boolean): string {
  const kind = clear.kind === 'single' ? 'single PUT' : 'multipart'
  const lines: [string, string][] = [
    ['envelope', `version ${clear.version} (${clear.suite}), ${kind}`],
    ...keyLines(clear),
    ['size', size(clear)],
  ]
  if (opened === null) lines.push(['opened', reason === null ? untried(kms) : `no: ${reason.message}`])
  else {
    lines.push(['opened', 'yes: CMK, realm, bucket and key are those that it was sealed under'])
    lines.push(['metadata', metadata(opened)])
    if (opened.checksums !== null) lines.push(['checksums', checksums(opened.checksums)])
    if (opened.parts !== null && opened.parts.length > 0) lines.push(...parts(opened.parts))
  }
  return [clear.name, ...lines.map(([label, text]) => `  ${label.padEnd(10)} ${text}`)].join('\n')
}

function keyLines({ cmkId, dekId, wrappedDekBytes }: Inspection['clear']): [string, string][] {
  if (cmkId === null) return [['key', "the customer's own (SSE-C), which is kept nowhere"]]
  return [
    ['CMK', cmkId],
    ['data key', `id ${dekId}, wrapped in ${wrappedDekBytes} bytes`],
  ]
}

function size({ plainSize, storedSize }: Inspection['clear']): string {
  if (plainSize === null)
    return storedSize === null
      ? 'in the footer, as of every multipart object'
      : `${storedSize} stored bytes, which no sealed object has: it was cut or extended`
  if (storedSize === null) return `${plainSize} bytes`
  const more = storedSize - plainSize
  const share = more > plainSize ? '' : `, ${((100 * more) / plainSize).toPrecision(2)} %`
  return `${plainSize} bytes, stored as ${storedSize} (${more} more${share})`
}

function untried(kms: boolean): string {
  return kms
    ? 'not tried: give --bucket and --key, the names that it was written under'
    : 'not tried, as --no-kms asks'
}

function metadata(opened: NonNullable<Inspection['opened']>): string {
  if (opened.metadata === 'not given') return 'not given'
  if (opened.metadata === 'changed') return 'CHANGED: they are not those that were sealed'
  const type = opened.headers?.['content-type']
  const entries = Object.keys(opened.userMetadata ?? {}).length
  return `authentic: ${type ?? 'no content type'}, ${entries} user ${entries === 1 ? 'entry' : 'entries'}`
}

function checksums(list: NonNullable<NonNullable<Inspection['opened']>['checksums']>): string {
  if (list.length === 0) return 'none were stored'
  return list
    .map(
      ({ algorithm, type, value }) => `${algorithm} ${value}${type === 'COMPOSITE' ? ' (of the parts)' : ''}`,
    )
    .join(', ')
}

function parts(list: NonNullable<NonNullable<Inspection['opened']>['parts']>): [string, string][] {
  const shown = list.slice(0, MAX_PARTS).map(({ partNumber, size: bytes, checksum }): [string, string] => {
    return [`part ${partNumber}`, `${bytes} bytes${checksum === null ? '' : `, ${checksum}`}`]
  })
  const rest = list.length - shown.length
  return [
    ['parts', String(list.length)],
    ...shown,
    ...(rest > 0 ? [['', `and ${rest} more (--json has all)`] as [string, string]] : []),
  ]
}
