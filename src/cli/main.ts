#!/usr/bin/env node
import { Command } from 'commander'
import { StartupError } from '../app.ts'
import { ConfigError } from '../config/config.ts'
import { KeyringError } from '../keys/index.ts'
import { keygen } from './keygen.ts'
import { serve } from './serve.ts'

const program = new Command('sealgate')
  .description('S3-compatible gateway that encrypts object storage without touching the applications')
  .version('0.1.0')

program
  .command('serve')
  .description('serve S3; makes keyring and credentials on the first start')
  .option('-c, --config <file>', 'YAML configuration (default: SEALGATE_CONFIG, or the environment alone)')
  .action((options: { config?: string }) =>
    guarded(() => serve(options.config ?? process.env['SEALGATE_CONFIG'])),
  )

program
  .command('keygen')
  .description('make a keyring file for the local key service')
  .argument('<file>', 'where to write it; an existing file is left alone')
  .action((file: string) => guarded(async () => keygen(file)))

await program.parseAsync()

/** What an operator can mend is a sentence, without a stack; everything else is a bug and keeps its stack. */
async function guarded(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    const expected =
      error instanceof ConfigError || error instanceof StartupError || error instanceof KeyringError
    console.error(expected ? `sealgate: ${error.message}` : error)
    process.exit(expected ? 2 : 1)
  }
}
