export interface SuiteTarget {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** The CMK that the endpoint encrypts with, as its answers name it. */
  readonly cmkId: string
}

/** Sections that the suite insists on. Behind a gateway with one credential they all are the same user. */
const USERS = ['s3 main', 's3 alt', 's3 tenant', 'iam', 'iam root', 'iam alt root']

/** The suite's configuration file for an endpoint with one credential. */
export function configurationOf({ endpoint, accessKeyId, secretAccessKey, cmkId }: SuiteTarget): string {
  const { hostname, port, protocol } = new URL(endpoint)
  const secure = protocol === 'https:'
  const sections: [string, Record<string, string>][] = [
    [
      'DEFAULT',
      {
        host: hostname,
        port: port === '' ? String(secure ? 443 : 80) : port,
        is_secure: String(secure),
        ssl_verify: 'False',
      },
    ],
    [
      'fixtures',
      {
        'bucket prefix': 's3tests-{random}-',
        'iam name prefix': 's3-tests-',
        'iam path prefix': '/s3-tests/',
      },
    ],
    ...USERS.map((name): [string, Record<string, string>] => [
      name,
      {
        user_id: 'sealgate',
        display_name: 'sealgate',
        email: 'sealgate@example.com',
        access_key: accessKeyId,
        secret_key: secretAccessKey,
        tenant: '',
        kms_keyid: cmkId,
        kms_keyid2: cmkId,
      },
    ]),
  ]
  return sections
    .map(
      ([name, fields]) =>
        `[${name}]\n${Object.entries(fields)
          .map(([key, value]) => `${key} = ${value}\n`)
          .join('')}`,
    )
    .join('\n')
}
