import type { Config } from '../config/config.ts'

/** The fields of a server, by what they say. */
interface Fields {
  readonly address: string
  readonly keyId: string
  readonly secret: string
  readonly authorities: string
}

const FIELDS: Readonly<Record<Exclude<Config['store'], 'fs'>, Fields>> = {
  s3: {
    address: 's3.endpoint',
    keyId: 's3.accessKeyId',
    secret: 's3.secretAccessKey',
    authorities: 's3.caFile',
  },
  cos: {
    address: 'cos.region, cos.appId, cos.domain',
    keyId: 'cos.secretId',
    secret: 'cos.secretKey',
    authorities: 'cos.caFile',
  },
}

/** What servers and connections say in the same words everywhere, and what to do about it; the first that fits counts. */
const HINTS: readonly (readonly [RegExp, (fields: Fields) => string])[] = [
  [/\bSignatureDoesNotMatch\b/, ({ keyId, secret }) => `${secret} is not the secret of ${keyId}.`],
  [
    /\bInvalidAccessKeyId\b/,
    ({ keyId }) => `The server does not know ${keyId}: it is mistyped, or another server's.`,
  ],
  [/\bRequestTimeTooSkewed\b/, () => 'Set the clock of this machine, or that of the server.'],
  [
    /\bERR_SSL_WRONG_VERSION_NUMBER\b/,
    ({ address }) => `No TLS is spoken there: check ${address}, http:// and port included.`,
  ],
  [
    /\bcertificate\b/,
    ({ address, authorities }) =>
      `Name the authority of its certificate by ${authorities}, or the host that the certificate is for by ${address}.`,
  ],
  [
    / cannot be reached: /,
    ({ address }) => `Is the server up, and can it be reached from here? Check ${address}.`,
  ],
]

/** What to do about a store that does not answer as it should. */
export function storeHint({ store }: Config, reason: string): string {
  const fields = FIELDS[store === 'cos' ? 'cos' : 's3']
  const [, hint] = HINTS.find(([pattern]) => pattern.test(reason)) ?? []
  if (hint !== undefined) return hint(fields)
  const region = store === 'cos' ? '' : ', s3.region'
  return `Check ${fields.address}${region}, TLS, and what the credentials of the store are allowed (docs/operations.md).`
}
