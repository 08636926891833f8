import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { FIELDS } from '../../src/config/fields.ts'
import { FAULT_TABLE, type FaultRow } from '../keys/kms-fault-table.ts'
import {
  type Deployment,
  dollarsPerMonth,
  makingPerDay,
  openingPerDay,
  PRICES,
  withoutReusePerDay,
} from '../kms/call-model.ts'

const deployment: Deployment = {
  buckets: 10,
  processes: 4,
  epoch: {
    maxAgeMs: FIELDS['epoch.maxAgeMs'].default,
    maxObjects: FIELDS['epoch.maxObjects'].default,
    maxBytes: FIELDS['epoch.maxBytes'].default,
  },
  decryptMaxAgeMs: FIELDS['decryptCache.maxAgeMs'].default,
}

function row(objects: number): string {
  const day = { written: objects, objectBytes: 2 ** 20, read: objects }
  const [making, opening] = [makingPerDay(deployment, day), openingPerDay(deployment, day)]
  const without = withoutReusePerDay(day)
  const cells = [
    `10^${Math.log10(objects)}`,
    whole(without),
    dollars(without),
    perSecond(without),
    `${whole(making)} + ${whole(opening)}`,
    dollars(making + opening),
    perSecond(making + opening),
    percent((making + opening) / (day.written + day.read)),
  ]
  return `| ${cells.join(' | ')} |`
}

function whole(value: number): string {
  return Math.ceil(value).toLocaleString('en-US').replaceAll(',', ' ')
}

function dollars(callsPerDay: number): string {
  const amounts = [PRICES.tencent, PRICES.aws].map((price) => dollarsPerMonth(callsPerDay, price))
  return amounts.map((amount) => (amount < 100 ? amount.toFixed(2) : whole(amount))).join(' / ')
}

function perSecond(callsPerDay: number): string {
  const value = callsPerDay / 86_400
  return value < 100 ? value.toPrecision(2) : whole(value)
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`
}

it('the table of docs/keys.md is what the model gives for the default limits', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/keys.md'), 'utf8')
  const found = page.split('\n').filter((line) => line.startsWith('| 10^'))
  const want = Array.from({ length: 7 }, (_, n) => row(10 ** (n + 3)))
  assert.deepEqual(found, want)
})

it('docs/keys.md has every fault of a key service that the gateway is tested with, and what comes of it', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/keys.md'), 'utf8')
  const [, section = ''] = page.split('## Faults\n')
  const found = section.split('\n').filter((line) => /^\| (?!What|---)/.test(line))
  assert.deepEqual(found, FAULT_TABLE.map(faultRow))
})

const SERVICES = { tencent: 'Tencent', aws: 'AWS', vault: 'Vault' } as const

function faultRow(row: FaultRow): string {
  const names = Object.keys(SERVICES) as (keyof typeof SERVICES)[]
  const answer = (what: 'read' | 'write') => {
    const other = names.flatMap((name) => {
      const differs = row[name]?.[what]
      return differs === undefined ? [] : [`${SERVICES[name]}: ${differs}`]
    })
    return [row[what], ...other].join('; ')
  }
  return `| ${[row.name, ...names.map((name) => row[name]?.says ?? '–'), answer('write'), answer('read')].join(' | ')} |`
}
