import { type Command, Option } from 'commander'
import { type DecryptOptions, decrypt } from './decrypt.ts'
import { configOption, guarded } from './guarded.ts'
import { type InspectOptions, inspect } from './inspect.ts'

/** The commands that open objects without a gateway. */
export function addRecoveryCommands(program: Command): void {
  withInputs(program.command('decrypt').argument('<object>', OBJECT))
    .summary('open objects without the gateway')
    .description(
      'Open a sealed object with access to the key service alone: a downloaded one, one of the store, or all below a prefix of the store. The store is only read; a gateway may run beside it.',
    )
    .addOption(
      new Option(
        '-o, --output <path>',
        'a file, - for standard output (the default), or for a prefix a directory',
      ),
    )
    .addOption(new Option('--range <a-b>', 'a part of the plaintext: A-B (both included, from 0), A- or -N'))
    .addOption(new Option('--ignore-metadata', 'open it although its metadata were changed'))
    .addOption(new Option('--overwrite', 'below a prefix: write also what an earlier run wrote'))
    .addHelpText('after', DECRYPT_HELP)
    .action((object: string, options: DecryptOptions) => guarded(() => decrypt(object, options), options))
  withInputs(program.command('inspect').argument('[object]', `${OBJECT}; or only its metadata by an option`))
    .summary('show what a sealed object is')
    .description(
      'Show envelope, key ids and sizes of a sealed object, which needs no key; and, with the key service, its parts and checksums and whether its metadata are authentic.',
    )
    .addOption(new Option('--no-kms', 'leave the key service alone'))
    .addHelpText('after', INSPECT_HELP)
    .action((object: string | undefined, options: InspectOptions) =>
      guarded(() => inspect(object, options), options),
    )
}

const OBJECT = 'a file, - for standard input, s3://BUCKET/KEY of the store, or s3://BUCKET/PREFIX/'

function withInputs(command: Command): Command {
  return command
    .addOption(configOption())
    .addOption(new Option('-b, --bucket <name>', 'the bucket that it was written to, as clients name it'))
    .addOption(new Option('-k, --key <key>', 'the key that it was written under'))
    .addOption(
      new Option('-m, --metadata <file>', 'its metadata as the store has them; default: FILE.metadata.json'),
    )
    .addOption(new Option('-e, --envelope <text>', 'its metadata entry "sealgate" alone'))
    .addOption(
      new Option('--realm <id>', 'the realm of the deployment, where neither keyring nor store has it'),
    )
    .addOption(
      new Option('--version-id <id>', 'of an object of the store, this version instead of the newest'),
    )
    .addOption(
      new Option(
        '--customer-key <file>',
        "the customer's own key (SSE-C): 32 bytes as they are, or their base64",
      ),
    )
    .addOption(
      new Option(
        '--ring <file>',
        'a backup of the key ring (sealgate keys export), for objects whose CMK is gone',
      ),
    )
    .addOption(new Option('-r, --recursive', 'all objects whose keys begin so'))
    .addOption(new Option('--exact', 'the one object of this key, although it ends in "/"'))
    .addOption(new Option('--json', 'report in JSON'))
}

const DECRYPT_HELP = `
A downloaded object needs the metadata that the store has with it, as aws s3api head-object, rclone lsjson
--metadata, mc stat --json or curl -I print them, and the names that it was written under:
  aws s3api get-object --bucket BACKEND --key KEY cat.jpg > cat.jpg.metadata.json
  sealgate decrypt cat.jpg --bucket photos --key 2024/cat.jpg -o plain.jpg

From the store that the configuration names:
  sealgate decrypt s3://photos/2024/cat.jpg -o cat.jpg
  sealgate decrypt s3://photos/2024/cat.jpg --range 0-1023 > start
  sealgate decrypt s3://photos/2024/cat.jpg --version-id ID -o old.jpg
  sealgate decrypt s3://photos/ -o photos/     all of a bucket; run again, it goes on where it stopped
  sealgate decrypt s3:// -o all/               all buckets

A file has its name only once every segment, the padding and the stored checksums were verified. To
standard output nothing goes that was not verified, and the exit status tells whether it was all.
Exit status: 0 verified; 1 something is not authentic or not sealed; 2 it could not be tried.`

const INSPECT_HELP = `
  sealgate inspect s3://photos/2024/cat.jpg
  sealgate inspect s3://photos/2024/cat.jpg --version-id ID
  sealgate inspect s3://photos/                a line for each object, and how many lie under each CMK
  sealgate inspect cat.jpg --bucket photos --key 2024/cat.jpg
  aws s3api head-object --bucket BACKEND --key KEY | sealgate inspect --metadata -
Exit status: 0 fine; 1 something is not authentic; 2 it could not be tried.`
