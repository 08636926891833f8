import { type DestinationStream, destination, type Logger, pino } from 'pino'

const SECRETS = ['authorization', 'x-amz-security-token', 'secretAccessKey', 'signature', 'plaintext']
const paths = SECRETS.flatMap((n) => [`["${n}"]`, `*["${n}"]`, `*.*["${n}"]`])

/** JSON lines on stderr; the fields that carry secrets are replaced, down to two levels of nesting. */
export function createLog(
  level: string,
  stream: DestinationStream = destination({ fd: 2, sync: true }),
): Logger {
  return pino({ level, redact: { paths, censor: '[redacted]' } }, stream)
}
