import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { type BackupCommandOptions, backup } from './backup.ts'
import { type CheckOptions, check } from './check.ts'
import { config } from './config.ts'
import { type GcOptions, gc } from './gc.ts'
import { type ConfigOption, configOption, guarded } from './guarded.ts'
import { addKeyCommands } from './key-commands.ts'
import { type KeygenOptions, keygen } from './keygen.ts'
import { addRecoveryCommands } from './recovery-commands.ts'
import { serve } from './serve.ts'

/** Of the commands whose one argument it can be. */
const CONFIG_ARGUMENT = ['[config]', 'YAML configuration, as with --config'] as const

/** The command line: what there is, its help, and the exit status. */
export async function run(argv: readonly string[]): Promise<void> {
  const program = new Command('sealgate')
    .description(
      'S3-compatible gateway that encrypts objects on the way in and decrypts them on the way out.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'sealgate: ')) })
    // A service manager must not start again what was called wrongly: 2, as for every refused start.
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .addHelpText('after', HELP)
  program
    .command('serve')
    .summary('serve S3')
    .description('Serve S3. The first start makes a keyring and credentials, and prints what clients need.')
    .argument(...CONFIG_ARGUMENT)
    .addOption(configOption())
    .addHelpText('after', SERVE_HELP)
    .action((file: string | undefined, options: ConfigOption) => guarded(() => serve(file ?? options.config)))
  program
    .command('config')
    .summary('check the configuration and print it')
    .description(
      'Check the configuration without starting, and print every field with where it is from. The secret is not shown.',
    )
    .argument(...CONFIG_ARGUMENT)
    .addOption(configOption())
    .action((file: string | undefined, options: ConfigOption) =>
      guarded(async () => config(file ?? options.config)),
    )
  program
    .command('keygen')
    .summary('make a keyring file, or change one')
    .description(
      'Make a keyring file for the local key service, readable by this user only. With a passphrase in the configuration it is protected by that.',
    )
    .argument('<file>', 'where to write it; an existing file is left alone without an option that changes it')
    .addOption(configOption())
    .addOption(new Option('--add', 'add a key to an existing keyring, and make it the current one'))
    .addOption(
      new Option(
        '--standby',
        'with --add: leave the current one current, so that all gateways can get the new one before it is used',
      ),
    )
    .addOption(
      new Option(
        '--make-current <id>',
        'make another key of an existing keyring the current one, which new data keys are wrapped under',
      ).conflicts(['add', 'protect']),
    )
    .addOption(
      new Option(
        '--remove <id>',
        'take a key out of an existing keyring, once sealgate rewrap has moved all that is under it; never the current one',
      ).conflicts(['add', 'makeCurrent', 'protect']),
    )
    .addOption(
      new Option('--protect', 'put an existing keyring under the passphrase of the configuration').conflicts(
        'add',
      ),
    )
    .addOption(
      new Option('--old-passphrase-file <file>', 'with --protect: its passphrase until now, if it has one'),
    )
    .addHelpText('after', KEYGEN_HELP)
    .action((file: string, options: KeygenOptions & ConfigOption) =>
      guarded(async () => keygen(file, options.config, options)),
    )
  program
    .command('backup')
    .summary('copy the fs store, also while it is served')
    .description(
      'Copy the fs store as it is at one moment into a directory, which can then serve as data directory. The gateway may run.',
    )
    .argument('<directory>', 'where to write it; a backup that is there is left alone')
    .addOption(configOption())
    .addOption(new Option('--json', 'report in JSON'))
    .addHelpText('after', BACKUP_HELP)
    .action((directory: string, options: BackupCommandOptions) =>
      guarded(() => backup(directory, options), options),
    )
  program
    .command('check')
    .summary('look at configuration, store and keys, and say what is wrong')
    .description(
      'Verify the configuration, reach the store and try what it can do, and make and unwrap a data key under each key. Nothing is made that a start would make; gateways may run. Shows no secret.',
    )
    .argument(...CONFIG_ARGUMENT)
    .addOption(configOption())
    .addOption(new Option('--json', 'report in JSON'))
    .addHelpText('after', CHECK_HELP)
    .action((file: string | undefined, options: CheckOptions) => guarded(() => check(file, options), options))
  program
    .command('gc')
    .summary('remove what uploads that are over have left')
    .description(
      'Remove the state of uploads that are over from the system bucket. Gateways do that by themselves, now and then; they may run.',
    )
    .addOption(configOption())
    .addOption(new Option('--dry-run', 'only say what would be done; nothing is removed'))
    .addOption(new Option('--json', 'report in JSON'))
    .addHelpText('after', GC_HELP)
    .action((options: GcOptions) => guarded(() => gc(options), options))
  addRecoveryCommands(program)
  addKeyCommands(program)
  await program.parseAsync(argv)
}

const HELP = `
Examples:
  sealgate serve                            S3 on 127.0.0.1:9000, everything kept in ./data
  sealgate serve --config sealgate.yaml     with a configuration (config.example.yaml has every field)
  SEALGATE_WORKERS=4 sealgate serve         every field is a variable too
  sealgate config                           what would be used, and where it is from
  sealgate decrypt s3://photos/cat.jpg      open an object without the gateway`

const SERVE_HELP = `
Variables used most (sealgate config lists all, docs/operations.md explains them):
  SEALGATE_LISTEN           host:port for S3 clients, default 127.0.0.1:9000
  SEALGATE_DATA_DIR         objects, keyring and credentials, default ./data
  SEALGATE_KEYRING          the keyring, to keep it apart from the data
  SEALGATE_ACCESS_KEY_ID, SEALGATE_SECRET_ACCESS_KEY
                            credentials of the clients, instead of made ones

SIGTERM or Ctrl-C stops: requests under way may end; a second signal ends at once.
Exit status: 0 stopped, 2 refused to start (the message says what to do), 1 a fault.`

const KEYGEN_HELP = `
Examples:
  sealgate keygen keyring.json              a new keyring; use it by SEALGATE_KEYRING
  sealgate keygen keyring.json --add        new data keys are wrapped under a new key once gateways
                                            are restarted; the old ones stay for what they wrapped
  sealgate keygen keyring.json --add --standby
  sealgate keygen keyring.json --make-current local:0123456789abcdef
                                            the same in two steps, where several gateways share it:
                                            restart them one by one after each
  SEALGATE_KEYRING_PASSPHRASE_FILE=pass sealgate keygen keyring.json --protect
                                            nobody can use the file without the passphrase

Keep a copy in a safe place: without its keyring nothing that was sealed can be read.
The passphrase: SEALGATE_KEYRING_PASSPHRASE_FILE or SEALGATE_KEYRING_PASSPHRASE, at least 15 characters.`

const BACKUP_HELP = `
Keyring and credentials are not part of it: a copy of the data that includes the keyring protects nothing.
To restore, copy the directory to where the data directory shall be, name the keyring by SEALGATE_KEYRING, and start.`

const CHECK_HELP = `
  sealgate check sealgate.yaml
  sealgate check --json                 the same for programs, of variables alone

Exit status: 0 nothing is wrong, 1 something is (the report says what, and what to do), 2 the configuration cannot be read.`

const GC_HELP = `
  sealgate gc --dry-run                 what is there, and what would go
  sealgate gc                           removes it

What a completed upload left goes after a day, in which its completion may be sent again. What is left of an upload that
the store does not list any more, because it was aborted behind the gateway or its bucket is gone, goes once two runs a
day apart have found it so. Uploads that are under way, objects and data keys are never touched.
Exit status: 0 done, 2 it could not be (the message says what to do; what was removed until then was garbage).`

/** package.json lies two levels above, for the sources and for the built package. */
function version(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
