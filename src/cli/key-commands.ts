import { type Command, Option } from 'commander'
import { configOption, guarded } from './guarded.ts'
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
}

function bucketOption(): Option {
  return new Option('-b, --bucket <name>', 'one bucket, or a pattern such as "photos-*"; default: all')
}

function jsonOption(): Option {
  return new Option('--json', 'report in JSON')
}

const ROTATE_HELP = `
  sealgate rotate                       all buckets
  sealgate rotate --bucket 'photos-*'   those whose names fit

When a CMK was rotated inside its key service, this makes the gateways use its new version at once instead of at the end
of their epochs. Objects that were begun before, multipart uploads among them, keep the data key that they have.
Exit status: 0 ordered, 2 it could not be (the message says what to do).`
