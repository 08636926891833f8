export interface SuiteTarget {
  readonly endpoint: string
  readonly users: Readonly<Record<SuiteUser, SuiteCredentials>>
  /** Two keys that objects can be encrypted with, which may be one and the same. */
  readonly kmsKeyIds: readonly [string, string]
  /** How long a day of lifecycle rules is there, if it is no day. */
  readonly lifecycleDaySeconds?: number
}

export interface SuiteCredentials {
  readonly userId: string
  readonly displayName: string
  readonly email: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly tenant: string
}

/** Sections that the suite insists on. */
export const SUITE_USERS = ['s3 main', 's3 alt', 's3 tenant', 'iam', 'iam root', 'iam alt root'] as const
export type SuiteUser = (typeof SUITE_USERS)[number]

/** Behind a gateway with one credential all users are the same. */
export function sameUser(o: {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}): SuiteTarget['users'] {
  const user: SuiteCredentials = {
    userId: 'sealgate',
    displayName: 'sealgate',
    email: 'sealgate@example.com',
    accessKeyId: o.accessKeyId,
    secretAccessKey: o.secretAccessKey,
    tenant: '',
  }
  return Object.fromEntries(SUITE_USERS.map((name) => [name, user])) as SuiteTarget['users']
}

/** The suite's configuration file for an endpoint. */
export function configurationOf({ endpoint, users, kmsKeyIds, lifecycleDaySeconds }: SuiteTarget): string {
  const { hostname, port, protocol } = new URL(endpoint)
  const secure = protocol === 'https:'
  const days = lifecycleDaySeconds === undefined ? {} : { lc_debug_interval: String(lifecycleDaySeconds) }
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
    ...SUITE_USERS.map((name): [string, Record<string, string>] => [
      name,
      {
        user_id: users[name].userId,
        display_name: users[name].displayName,
        email: users[name].email,
        access_key: users[name].accessKeyId,
        secret_key: users[name].secretAccessKey,
        tenant: users[name].tenant,
        kms_keyid: kmsKeyIds[0],
        kms_keyid2: kmsKeyIds[1],
        ...days,
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
