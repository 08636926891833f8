import { type Command, InvalidArgumentError, Option } from 'commander'
import { configOption, guarded } from './guarded.ts'
import { exportKeys, importKeys, type KeysExportOptions, type KeysImportOptions } from './keys.ts'
import { type RewrapOptions, rewrap } from './rewrap.ts'
import { type RotateOptions, rotate } from './rotate.ts'

/** The commands that look after the keys of a deployment. */
export function addKeyCommands(program: Command): void {
  program
    .command('rotate')
    .summary('begin new data keys on all running gateways')
    .description(
      'Order every running gateway of this deployment to begin a new epoch, so that what is written from then on is sealed under a data key made from then on. A gateway need not be restarted. The order lies in the store.',
    )
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(jsonOption())
    .addHelpText('after', ROTATE_HELP)
    .action((options: RotateOptions) => guarded(() => rotate(options), options))
  program
    .command('rewrap')
    .summary('move data keys to the current CMKs of their buckets')
    .description(
      'Leave a CMK: wrap every data key that is not under the current CMK of its bucket under that one too, in the key ring of the store. No object is touched. Gateways may run, and need not be restarted.',
    )
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(new Option('--dry-run', 'only say what would be done; nothing is written'))
    .addOption(
      new Option(
        '--rate <calls>',
        'calls a second to a key service on the network, at most; gateways share its quota',
      )
        .default(100)
        .argParser(rateOf),
    )
    .addOption(
      new Option(
        '--no-decrypt',
        'for credentials that may ReEncrypt, but not Decrypt: nothing is proved then',
      ),
    )
    .addOption(jsonOption())
    .addHelpText('after', REWRAP_HELP)
    .action((options: RewrapOptions) => guarded(() => rewrap(options), options))
  const keys = program
    .command('keys')
    .summary('back up the key ring, and restore it')
    .description('Back up the key ring of the store, and restore it.')
    .addHelpText('after', KEYS_HELP)
  keys
    .command('export')
    .description(
      'Write all records of the key ring as JSON, one a line, with a hash at the end. It holds wrapped keys only.',
    )
    .addOption(configOption())
    .addOption(new Option('-o, --out <file>', 'replaced when all is written; default: standard output'))
    .addOption(jsonOption())
    .action((options: KeysExportOptions) => guarded(() => exportKeys(options), options))
  keys
    .command('import')
    .description('Add what the key ring does not have from a backup. Nothing that is there is changed.')
    .argument('<file>', 'made by sealgate keys export')
    .addOption(configOption())
    .addOption(jsonOption())
    .action((file: string, options: KeysImportOptions) => guarded(() => importKeys(file, options), options))
}

function rateOf(text: string): number {
  const rate = Number(text)
  if (/^\d{1,6}$/.test(text) && rate > 0) return rate
  throw new InvalidArgumentError('It must be a whole number from 1 to 999999.')
}

function bucketOption(): Option {
  return new Option('-b, --bucket <name>', 'one bucket, or a pattern such as "photos-*"; default: all')
}

function jsonOption(): Option {
  return new Option('--json', 'report in JSON')
}

const REWRAP_HELP = `
To leave a CMK: give its buckets a rule with the new one as cmk and the old one under retired, restart the gateways,
then run
  sealgate rewrap --dry-run             how many data keys there are to move, and from where
  sealgate rewrap                       moves them; it may be stopped and run again at any time
and keep a backup of the ring (sealgate keys export). After that the old CMK may be disabled and deleted, and its
key service taken out of the configuration; its id stays under retired. docs/rotation.md has the whole way.
Exit status: 0 all are there, 1 some are not (the report says which and why), 2 it could not be tried.`

const KEYS_HELP = `
  sealgate keys export --out ring.jsonl     beside running gateways; keep it apart from the store
  sealgate keys import ring.jsonl           where records were lost or damaged

The ring is what opens objects whose CMK is gone. The backup holds no key in the clear: it is of use only to who may
use the CMKs, and of no use without them.
Exit status: 0 done, 1 the ring holds damaged records, which are left out, 2 it could not be tried.`

const ROTATE_HELP = `
  sealgate rotate                       all buckets
  sealgate rotate --bucket 'photos-*'   those whose names fit

When a CMK was rotated inside its key service, this makes the gateways use its new version at once instead of at the end
of their epochs. Objects that were begun before, multipart uploads among them, keep the data key that they have.
Exit status: 0 ordered, 2 it could not be (the message says what to do).`
