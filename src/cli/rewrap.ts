import { loadConfig } from '../config/config.ts'
import { type RewrapReport, rewrap as rewrapRing } from '../keys/index.ts'
import { openOffline } from '../offline.ts'
import { shown } from '../recovery/shown.ts'
import { bucketsInWords, checkBucketOption, requireBucket } from './bucket-option.ts'
import { Progress } from './progress.ts'

export interface RewrapOptions {
  readonly config?: string
  readonly bucket?: string
  readonly dryRun?: boolean
  readonly rate: number
  /** False with `--no-decrypt`. */
  readonly decrypt: boolean
  readonly json?: boolean
}

/** Moves the data keys of the key ring to the current CMKs of their buckets, beside running gateways. */
export async function rewrap(options: RewrapOptions): Promise<void> {
  const { bucket: pattern = '*', dryRun = false, decrypt, rate: callsPerSecond, json = false } = options
  checkBucketOption(pattern)
  const opened = await openOffline(loadConfig(options.config, process.env), { write: !dryRun })
  const progress = new Progress({ label: dryRun ? 'looking at data keys' : 'rewrapping', unit: 'objects' })
  try {
    const { ring, kms, policy } = opened
    const report = await rewrapRing({
      ring,
      policy,
      pattern,
      dryRun,
      decrypt,
      callsPerSecond,
      kms: kms.kms,
      reEncrypting: (from, to) => kms.reEncrypting(from, to),
      onProgress(total) {
        progress.total = total
        progress.advance(1)
      },
    })
    progress.end()
    // A bucket that was deleted has its data keys still.
    if (report.dataKeys === 0) await requireBucket(opened.storage, pattern)
    console.log(json ? JSON.stringify({ pattern, dryRun, ...report }) : inWords(report, options))
    if (report.failed > 0 || report.stopped !== null) process.exitCode = 1
  } finally {
    progress.end()
    await opened.close()
  }
}

function inWords(report: RewrapReport, { bucket = '*', dryRun = false, decrypt }: RewrapOptions): string {
  const { dataKeys, current, moved, moves, failed, failures, strangers, stopped } = report
  const whose = bucket === '*' ? '' : ` of ${bucketsInWords(bucket)}`
  const lines = [
    `${counted(dataKeys)}${whose} in the key ring: ${current} under the current CMK already, ${moved} ${dryRun ? 'to be moved' : 'moved'}, ${failed} failed.`,
  ]
  for (const { from, to, dataKeys: keys, reEncrypted } of moves)
    lines.push(
      `  from ${shown(from)} to ${to}: ${keys}${reEncrypted === 0 ? '' : `, ${reEncrypted} of them inside the key service`}`,
    )
  for (const { bucket, dekId, reason } of failures)
    lines.push(`failed: ${shown(bucket)} ${dekId}: ${shown(reason)}`)
  if (failed > failures.length) lines.push(`and ${failed - failures.length} more`)
  if (strangers > 0)
    lines.push(`${strangers} objects in the key ring have names that Sealgate does not give: left alone.`)
  if (stopped !== null) lines.push(`Stopped: ${shown(stopped)}. Run it again: it goes on where it stopped.`)
  else if (failed > 0) lines.push('Run it again when the cause is gone: what is done is skipped.')
  else if (dryRun) lines.push('Nothing was changed.')
  else lines.push(conclusion(report, { bucket, decrypt }))
  return lines.join('\n')
}

/** What a run without a failure shows. Somebody deletes CMKs by this sentence. */
function conclusion(
  { dataKeys, moved }: RewrapReport,
  { bucket, decrypt }: { readonly bucket: string; readonly decrypt: boolean },
): string {
  if (dataKeys === 0)
    return 'There was nothing to move, and this shows nothing of the retired CMKs: keep them as long as objects may be sealed under them.'
  if (!decrypt)
    return 'Nothing was opened (--no-decrypt). Keep the retired CMKs until somebody who may Decrypt has run this again without --no-decrypt.'
  if (bucket !== '*')
    return `Every data key of ${bucketsInWords(bucket)} opens under its current CMK. No other bucket was looked at: keep the retired CMKs until sealgate rewrap without --bucket has moved what is under them.`
  const proved = 'Every data key of the ring opens under the current CMK of its bucket.'
  return moved > 0
    ? `${proved} Once no gateway runs with an older configuration, run it once more, for what they wrote meanwhile.`
    : `${proved} There was nothing to move: if no gateway has run with an older configuration meanwhile, the retired CMKs are no longer needed.`
}

function counted(keys: number): string {
  return keys === 1 ? '1 data key' : `${keys} data keys`
}
