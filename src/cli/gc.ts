import { loadConfig } from '../config/config.ts'
import { collectOffline } from '../offline.ts'
import type { ConfigOption } from './guarded.ts'
import { Progress } from './progress.ts'

export interface GcOptions extends ConfigOption {
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Removes what uploads that are over have left in the system bucket, beside running gateways. */
export async function gc({ config: file, dryRun = false, json = false }: GcOptions): Promise<void> {
  const config = loadConfig(file, process.env)
  const progress = new Progress({ label: 'looking at uploads', unit: 'objects' })
  try {
    const report = await collectOffline(config, { dryRun, onProgress: () => progress.advance(1) })
    progress.end()
    console.log(json ? JSON.stringify({ dryRun, ...report }) : inWords(report, dryRun))
  } finally {
    progress.end()
  }
}

type Report = Awaited<ReturnType<typeof collectOffline>>

function inWords({ uploads, collected, waiting, records, listsUploads }: Report, dryRun: boolean): string {
  const done = dryRun ? 'to be removed' : 'removed'
  const kept = uploads - collected - waiting
  const lines = [
    `State of ${uploads === 1 ? '1 upload' : `${uploads} uploads`} in the system bucket: that of ${collected} ${done}, of ${waiting} waiting, of ${kept} kept.`,
  ]
  if (kept > 0)
    lines.push('What is kept is of uploads under way, or of ones that were completed less than a day ago.')
  if (records > 0)
    lines.push(
      `Besides, ${records === 1 ? '1 old record' : `${records} old records`} ${done} (orders to rotate, leftovers of starts).`,
    )
  if (waiting > 0)
    lines.push(
      'What waits is no upload of the store any more, but was not seen so for a day yet: the next run after that removes it.',
    )
  if (!listsUploads)
    lines.push(
      'This store does not list all of its uploads. It was asked by the keys that the gateway noted; state of an upload without such a note, and not completed, is kept too.',
    )
  if (dryRun) lines.push('Nothing was changed.')
  return lines.join('\n')
}
