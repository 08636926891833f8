import { Option } from 'commander'
import { RecoveryError } from '../recovery/recovery-error.ts'
import { shownLines } from '../recovery/shown.ts'
import { exitStatus, refusal } from './refusal.ts'

export interface ConfigOption {
  readonly config?: string
}

export function configOption(): Option {
  return new Option('-c, --config <file>', 'YAML configuration; variables win over it').env('SEALGATE_CONFIG')
}

/** What an operator can mend is a sentence, without a stack; everything else is a bug and keeps its stack. */
export async function guarded(
  command: () => Promise<void>,
  { json = false }: { readonly json?: boolean | undefined } = {},
): Promise<void> {
  try {
    await command()
  } catch (error) {
    const message = refusal(error)
    if (message === null) console.error(error)
    else if (json) console.error(JSON.stringify({ error: { finding: findingOf(error), message } }))
    else console.error(`sealgate: ${shownLines(message)}`)
    process.exit(exitStatus(error))
  }
}

function findingOf(error: unknown): string {
  return error instanceof RecoveryError ? error.finding : 'refused'
}
