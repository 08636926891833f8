import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, it } from 'node:test'
import { readsPlaintext } from '../../src/app.ts'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { FIELDS } from '../../src/config/fields.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-config-'))
after(() => rmSync(directory, { recursive: true }))

function file(text: string): string {
  const path = join(directory, 'sealgate.yaml')
  writeFileSync(path, text)
  return path
}

function mistakes(text: string | undefined, environment: Record<string, string> = {}): readonly string[] {
  try {
    loadConfig(text === undefined ? undefined : file(text), environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.mistakes
  }
  return assert.fail('no mistake was found')
}

it('an empty configuration is the defaults, frozen', () => {
  const config = loadConfig(undefined, {})
  assert.deepEqual(
    [config.listen, config.workers, config.credentials],
    [{ host: '127.0.0.1', port: 9000 }, 1, null],
  )
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.limits))
})

it('the environment wins over the file', () => {
  const path = file('listen: "0.0.0.0:8000"\nworkers: 2\nlimits:\n  idleTimeoutMs: 5000\n')
  const config = loadConfig(path, { SEALGATE_WORKERS: '3', SEALGATE_DOMAINS: 's3.test,s4.test' })
  assert.deepEqual(
    [config.listen.port, config.workers, config.limits.idleTimeoutMs, config.domains],
    [8000, 3, 5000, ['s3.test', 's4.test']],
  )
})

it('the cache of opened data keys has limits of entries and age, and bounds of its own', () => {
  const config = loadConfig(file('decryptCache:\n  maxEntries: 500\n'), {
    SEALGATE_DECRYPT_CACHE_MAX_AGE_MS: '86400000',
  })
  assert.deepEqual(config.decryptCache, { maxEntries: 500, maxAgeMs: 86_400_000 })
  assert.deepEqual(
    mistakes('decryptCache:\n  maxEntries: 0\n', { SEALGATE_DECRYPT_CACHE_MAX_AGE_MS: '999' }).map(
      (mistake) => mistake.replace(/^.*sealgate\.yaml/, 'sealgate.yaml'),
    ),
    [
      `sealgate.yaml:2: decryptCache.maxEntries: must be a whole number from 1 to 1000000 (got 0); ${FIELDS['decryptCache.maxEntries'].hint}`,
      `environment: SEALGATE_DECRYPT_CACHE_MAX_AGE_MS: must be a whole number from 1000 to 2592000000 (got 999); ${FIELDS['decryptCache.maxAgeMs'].hint}`,
    ],
  )
})

it('every mistake is reported at once, with file, line, field and hint', () => {
  const found = mistakes('listen: nowhere\nworkerz: 2\nlimits:\n  idleTimeoutMs: soon\nbuckets: 7\n', {
    SEALGATE_WORKERS: '0',
    SEALGATE_LISTENS: 'x',
  })
  assert.equal(found.length, 6)
  const text = found.join('\n')
  assert.match(text, /sealgate\.yaml:1: listen: .*host:port/)
  assert.match(text, /sealgate\.yaml:2: workerz: no such field; did you mean workers\?/)
  assert.match(text, /sealgate\.yaml:4: limits\.idleTimeoutMs: must be a whole number/)
  assert.match(text, /sealgate\.yaml:5: buckets: must be a list/)
  assert.match(text, /environment: SEALGATE_WORKERS: must be a whole number from 1 to 64/)
  assert.match(text, /SEALGATE_LISTENS: no such variable; did you mean SEALGATE_LISTEN\?/)
})

it('a name that is near no other gets no guess, and a level says what belongs into it', () => {
  for (const name of ['SEALGATE_FOO', 'SEALGATE_HOST', 'SEALGATE_'])
    assert.match(
      mistakes(undefined, { [name]: '1' }).join(),
      /no such variable; docs\/operations\.md lists all$/,
    )
  assert.match(
    mistakes('kms: local\n').join(),
    /:1: kms: must be a mapping of fields, such as kms\.provider$/,
  )
})

it('a mistaken secret is never shown', () => {
  const found = mistakes(undefined, {
    SEALGATE_ACCESS_KEY_ID: 'AKID',
    SEALGATE_SECRET_ACCESS_KEY: 'tooshort',
  })
  assert.doesNotMatch(found.join('\n'), /tooshort/)
  assert.equal(found.length, 1)
  assert.doesNotMatch(mistakes('accessKeyId: AKID\nsecretAccessKey: 12345678\n').join(), /12345678/)
  assert.match(mistakes(undefined, { SEALGATE_ACCESS_KEY_ID: 'AKID' }).join(), /set both/)
})

it('broken YAML is named by line and column, in words for operators', () => {
  assert.match(mistakes('listen: "127.0.0.1:9000"\n  bad: [\n').join(), /sealgate\.yaml:\d+:\d+: /)
  assert.match(mistakes('\tworkers: 2\n').join(), /sealgate\.yaml:1:1: Tabs are not allowed as indentation$/)
  assert.match(mistakes('workers: 2\n---\nworkers: 3\n').join(), /:2:1: the file must hold one document$/)
  assert.match(mistakes('workers: 2\nworkers: 3\n').join(), /:2:1: Map keys must be unique$/)
  assert.match(mistakes('region: eu-1\nlisten: *there\n').join(), /:2: Unresolved alias .*there$/)
})

it('sub-resources that can be handed on are a list, and one that is none of it is a mistake with all that are', () => {
  const path = file('store: s3\ns3:\n  endpoint: "http://localhost:1"\n  forward: [policy, acl]\n')
  assert.deepEqual(loadConfig(path, {}).s3?.forward, ['policy', 'acl'])
  const [mistake = ''] = mistakes('s3:\n  forward: [policy, torrent]\n')
  assert.match(mistake, /sealgate\.yaml:2: s3\.forward: must be a list of these: accelerate, acl, .*torrent/)
})

it('a level or a list whose entries are all commented out sets nothing', () => {
  const path = file('limits:\n  # idleTimeoutMs: 5\nkms:\nbuckets:\n')
  assert.deepEqual(loadConfig(path, {}), loadConfig(undefined, {}))
  assert.deepEqual(loadConfig(file('# nothing\n---\n'), {}), loadConfig(undefined, {}))
  assert.match(mistakes('dataDir:\n').join(), /:1: dataDir: must be a path/)
})

it('says what an address is, and that a number needs quotes', () => {
  for (const listen of ['9000', ':9000', 'localhost', '127.0.0.1:65536', '127.0.0.1:99999', ''])
    assert.match(
      mistakes(undefined, { SEALGATE_LISTEN: listen }).join(),
      /SEALGATE_LISTEN: must be host:port, such as 127\.0\.0\.1:9000/,
      listen,
    )
  for (const [listen, port] of [['[::1]:0', 0] as const, ['a.test:65535', 65535] as const])
    assert.equal(loadConfig(undefined, { SEALGATE_LISTEN: listen }).listen.port, port)
  assert.match(mistakes('region: 12345678\n').join(), /region: must be .*, in quotes \(got 12345678\)/)
})

it('paths are whole, and one that only a shell would understand is refused', () => {
  const config = loadConfig(undefined, { SEALGATE_DATA_DIR: 'here', SEALGATE_KEYRING: 'there/keyring.json' })
  assert.deepEqual([config.dataDir, config.kms.keyring], [resolve('here'), resolve('there/keyring.json')])
  assert.match(mistakes('dataDir: "~/data"\n').join(), /dataDir: must be a path \(without "~"/)
})

it('variables that Kubernetes makes for a Service named sealgate are no mistake', () => {
  const links = {
    SEALGATE_SERVICE_HOST: '10.0.0.1',
    SEALGATE_SERVICE_PORT: '9000',
    SEALGATE_SERVICE_PORT_S3: '9000',
    SEALGATE_PORT: 'tcp://10.0.0.1:9000',
    SEALGATE_PORT_9000_TCP: 'tcp://10.0.0.1:9000',
    SEALGATE_PORT_9000_TCP_PROTO: 'tcp',
    SEALGATE_PORT_9000_TCP_PORT: '9000',
    SEALGATE_PORT_9000_TCP_ADDR: '10.0.0.1',
  }
  assert.deepEqual(loadConfig(undefined, links), loadConfig(undefined, {}))
  assert.match(mistakes(undefined, { SEALGATE_PORTS: '1' }).join(), /no such variable/)
  // Not an address: somebody meant it.
  assert.match(mistakes(undefined, { SEALGATE_PORT: '9000' }).join(), /SEALGATE_PORT: no such variable/)
})

it('every field has a variable of its own', () => {
  const variables = Object.values(FIELDS).map((field) => field.env)
  assert.equal(new Set(variables).size, variables.length)
})

it('bucket rules come from the file, or from one variable that wins over it', () => {
  const path = file('buckets:\n  - {match: "logs-*", cmk: "local:1"}\n')
  assert.deepEqual(loadConfig(path, {}).buckets, [{ match: 'logs-*', cmk: 'local:1', retired: [] }])
  const environment = { SEALGATE_BUCKETS: '[{"match": "a", "cmk": "local:2", "retired": ["local:1"]}]' }
  assert.deepEqual(loadConfig(path, environment).buckets, [
    { match: 'a', cmk: 'local:2', retired: ['local:1'] },
  ])
  assert.match(
    mistakes(undefined, { SEALGATE_BUCKETS: '{' }).join(),
    /environment: SEALGATE_BUCKETS: must be a list/,
  )
  assert.match(
    mistakes('buckets:\n  - {match: "a", key: "b"}\n').join(),
    /sealgate\.yaml:2: buckets: rule 1 must be \{match: .*\} \(got \{"match":"a","key":"b"\}\)/,
  )
  const several = mistakes('buckets:\n  - {match: "a", cmk: "local:1"}\n  - {mach: "b"}\n  - 7\n')
  assert.deepEqual(
    several.map((mistake) => /rule \d/.exec(mistake)?.[0]),
    ['rule 2', 'rule 3'],
  )
})

it('a rule may speak of keys, of plaintext, or of both, and is never empty', () => {
  const path = file(
    'buckets:\n  - {match: "old-*", plaintext: read}\n  - {match: "*", cmk: "local:1", plaintext: reject}\n',
  )
  const { buckets, plaintext } = loadConfig(path, {})
  assert.deepEqual(buckets, [{ match: '*', cmk: 'local:1', retired: [] }])
  assert.deepEqual(plaintext, [
    { match: 'old-*', plaintext: 'read' },
    { match: '*', plaintext: 'reject' },
  ])
  const reads = readsPlaintext(loadConfig(path, {}))
  assert.deepEqual(['old-a', 'new'].map(reads), [true, false])
  assert.ok(!readsPlaintext(loadConfig(undefined, {}))('old-a'))
  for (const rule of [
    '{match: a}',
    '{match: a, plaintext: yes}',
    '{match: a, plaintext: write}',
    '{match: a, retired: ["local:1"], plaintext: read}',
    '{plaintext: read}',
  ])
    assert.match(
      mistakes(`buckets:\n  - ${rule}\n`).join(),
      /rule 1 must be \{match: .*plaintext: reject or read\}/,
      rule,
    )
})

it('a key service that is begun is finished: what it needs, and what it needs as the default', () => {
  const said = (environment: Record<string, string>, ...patterns: RegExp[]) => {
    const found = mistakes(undefined, environment)
    assert.equal(found.length, patterns.length, found.join('\n'))
    for (const [n, pattern] of patterns.entries()) assert.match(found[n] ?? '', pattern)
  }
  said({ SEALGATE_KMS: 'aws' }, /^kms\.aws\.region: must be set for kms\.provider aws/, /^kms\.aws\.keyId: /)
  said({ SEALGATE_AWS_KMS_KEY_ID: 'alias/x' }, /^kms\.aws\.region: must be set for kms\.aws\.keyId/)
  said(
    { SEALGATE_AWS_KMS_REGION: 'eu-1', SEALGATE_AWS_KMS_ACCESS_KEY_ID: 'id' },
    /set both .*SEALGATE_AWS_KMS_SECRET_ACCESS_KEY/,
  )
  said({ SEALGATE_VAULT_KEY: 'k' }, /^kms\.vault\.address: must be set for kms\.vault\.key/)
  const vault = { SEALGATE_VAULT_ADDRESS: 'https://vault.test:8200' }
  said(vault, /kms\.vault\.token .* or kms\.vault\.tokenFile .*: must be set for kms\.vault\.auth token/)
  said({ ...vault, SEALGATE_VAULT_AUTH: 'approle' }, /roleId/, /secretId .* or kms\.vault\.secretIdFile/)
  said({ ...vault, SEALGATE_VAULT_AUTH: 'kubernetes' }, /kms\.vault\.role /)
  said({ ...vault, SEALGATE_VAULT_TOKEN: 't', SEALGATE_KMS: 'vault' }, /^kms\.vault\.key: must be set/)
})

it('key services are there by their sections, with the default one or beside it', () => {
  const { kms } = loadConfig(undefined, {
    SEALGATE_AWS_KMS_REGION: 'eu-central-1',
    SEALGATE_VAULT_ADDRESS: 'https://vault.test:8200',
    SEALGATE_VAULT_AUTH: 'approle',
    SEALGATE_VAULT_ROLE_ID: 'role',
    SEALGATE_VAULT_SECRET_ID_FILE: 'secret-id',
  })
  assert.equal(kms.provider, 'local')
  assert.equal(kms.tencent, null)
  assert.deepEqual(kms.aws, {
    ...{ region: 'eu-central-1', keyId: null, endpoint: null, plainHttp: 'loopback', credentials: null },
  })
  assert.deepEqual(kms.vault?.auth, {
    method: 'approle',
    mount: 'approle',
    roleId: 'role',
    secretId: { file: resolve('secret-id') },
  })
  const pod = { SEALGATE_VAULT_AUTH: 'kubernetes', SEALGATE_VAULT_ROLE: 'sealgate' }
  assert.deepEqual(
    loadConfig(undefined, { SEALGATE_VAULT_ADDRESS: 'https://v.test', ...pod }).kms.vault?.auth,
    {
      method: 'kubernetes',
      mount: 'kubernetes',
      role: 'sealgate',
      tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    },
  )
})

it('plain HTTP leads to a key service on this machine, and to another one only where that is said', () => {
  const services = {
    'kms.tencent.endpoint': [
      'SEALGATE_TENCENT_KMS_ENDPOINT',
      'SEALGATE_TENCENT_KMS_PLAIN_HTTP',
      { SEALGATE_TENCENT_REGION: 'ap-x' },
    ],
    'kms.aws.endpoint': [
      'SEALGATE_AWS_KMS_ENDPOINT',
      'SEALGATE_AWS_KMS_PLAIN_HTTP',
      { SEALGATE_AWS_KMS_REGION: 'eu-1' },
    ],
    'kms.vault.address': [
      'SEALGATE_VAULT_ADDRESS',
      'SEALGATE_VAULT_PLAIN_HTTP',
      { SEALGATE_VAULT_TOKEN: 't' },
    ],
  } as const
  for (const [field, [address, plainHttp, more]] of Object.entries(services)) {
    for (const url of [
      'http://127.0.0.1:8200',
      'http://127.9.9.9',
      'http://localhost:1',
      'http://[::1]:8200',
      'https://kms.test',
    ])
      loadConfig(undefined, { ...more, [address]: url })
    for (const url of [
      'http://vault.mesh:8200',
      'http://10.0.0.1',
      'http://127.0.0.1.test',
      'http://localhost.test',
      'http://[::2]',
      'http://127.1',
    ]) {
      const [found = '', ...others] = mistakes(undefined, { ...more, [address]: url })
      assert.deepEqual(others, [])
      assert.ok(found.includes(field) && found.includes(plainHttp) && found.includes('https://'), found)
      loadConfig(undefined, { ...more, [address]: url, [plainHttp]: 'anywhere' })
    }
  }
})

it('says what is wrong with rules all at once, each with its line', () => {
  const found = mistakes(`kms:
  provider: local
buckets:
  - {match: "A B", cmk: "local:0123456789abcdef"}
  - {match: "a", cmk: "valt:sealgate", retired: ["vault:"]}
  - match: "*"
    cmk: aws:alias/x
`)
  assert.deepEqual(
    found.map((mistake) => mistake.replace(/^.*sealgate\.yaml:/, '')),
    [
      '4: buckets: the rule for A B: match: must be the name of a bucket, or a pattern of names with * in it (got "A B")',
      '5: buckets: the rule for a: valt:sealgate: there is no key service "valt"; did you mean vault? (local, tencent, aws, vault)',
      '5: buckets: the rule for a: "vault:" names a key service and no key of it',
      '6: buckets: the rule for *: aws:alias/x: the key service aws is not configured; set kms.aws.region / SEALGATE_AWS_KMS_REGION',
    ],
  )
})

it('an S3 endpoint of Tencent COS needs virtual hosts and the number of the account', () => {
  const s3 = { SEALGATE_STORE: 's3', SEALGATE_S3_ENDPOINT: 'https://cos.ap-guangzhou.myqcloud.com' }
  assert.deepEqual(
    mistakes(undefined, s3).map((mistake) => /^[\w.]+: must be [^(]+/.exec(mistake)?.[0].trim()),
    ['s3.addressing: must be virtual for Tencent COS', 's3.bucketSuffix: must be set for Tencent COS'],
  )
  const more = { SEALGATE_S3_ADDRESSING: 'virtual', SEALGATE_S3_BUCKET_SUFFIX: '-1250000000' }
  assert.equal(loadConfig(undefined, { ...s3, ...more }).s3?.bucketSuffix, '-1250000000')
})

it('a server that is described and not named as the store is no configuration of the data directory', () => {
  const s3 = 's3:\n  endpoint: "http://127.0.0.1:1"\n'
  assert.match(
    mistakes(s3).join(),
    /^store: must be named, as s3\.endpoint is set: store: s3 \(SEALGATE_STORE=s3\)/,
  )
  assert.match(
    mistakes(undefined, { SEALGATE_COS_REGION: 'ap-guangzhou' }).join(),
    /cos\.region is set: store: cos/,
  )
  assert.equal(loadConfig(file(`store: fs\n${s3}`), {}).store, 'fs')
  assert.equal(loadConfig(file(s3), { SEALGATE_STORE: 's3' }).store, 's3')
  assert.equal(mistakes(`store: S3\n${s3}`).length, 1)
})

it('a field that is set badly is one mistake, and no other field is asked for because of it', () => {
  for (const endpoint of ['127.0.0.1:9000', 'http://127.0.0.1:9000/bucket'])
    assert.deepEqual(
      mistakes(`store: s3\ns3:\n  endpoint: "${endpoint}"\n`).map((mistake) =>
        mistake.replace(/^.*yaml:(.*) \(got .*/, '$1'),
      ),
      ['3: s3.endpoint: must be an address without a path, such as https://s3.eu-central-1.amazonaws.com'],
    )
  const found = mistakes('store: cos\ncos:\n  region: ap-guangzhou\n  appId: 1250000000\n')
  assert.equal(found.length, 1)
  assert.match(found.join(), /cos\.appId: must be the digits of an APPID, in quotes \(got 1250000000\)/)
})

const COS = 'store: cos\ncos:\n  region: ap-guangzhou\n  appId: "1250000000"\n'

it('a store at Tencent COS: names and regions of its buckets', () => {
  const path = file(
    `${COS}  buckets: [photos.2026=photos-1250000000]\n  regions: [photos.2026=ap-shanghai]\n  secretId: id\n`,
  )
  const config = loadConfig(path, { SEALGATE_COS_SECRET_KEY: 'key' })
  assert.equal(config.store, 'cos')
  assert.deepEqual(config.cos, {
    region: 'ap-guangzhou',
    appId: '1250000000',
    credentials: { secretId: 'id', secretKey: 'key' },
    domain: null,
    connectTo: null,
    caFile: null,
    bucketPrefix: '',
    buckets: [['photos.2026', 'photos-1250000000']],
    regions: [['photos.2026', 'ap-shanghai']],
    maxConnections: 256,
    connectTimeoutMs: 10_000,
    answerTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
  })
  assert.equal(loadConfig(undefined, {}).cos, null)
})

it('of a store at Tencent COS all mistakes are told at once, each with what would be right', () => {
  const found = mistakes(
    'store: cos\ncos:\n  domain: "https://files.example.com"\n  regions: [a-bucket=ap-guangzhou, a-bucket=ap-beijing]\n  secretId: id\n',
  )
  for (const pattern of [
    /yaml:3: cos\.domain: must be an address with \{bucket\}/,
    /^cos\.region: must be set for store cos \(SEALGATE_COS_REGION\)/,
    /^cos\.appId: must be set for store cos \(SEALGATE_COS_APP_ID\)/,
    /^cos\.secretId, cos\.secretKey: set both/,
    /^cos\.regions: a-bucket=ap-beijing: each name may stand once/,
  ])
    assert.equal(
      found.filter((mistake) => pattern.test(mistake)).length,
      1,
      `${pattern}\n${found.join('\n')}`,
    )
  assert.equal(found.length, 5)

  const names = mistakes(
    `${COS}  buckets: [one=same-1250000000, two=same-1250000000, three=sealgate-system-1250000000]\n`,
  )
  assert.match(names[0] ?? '', /two=same-1250000000: each name may stand once/)
  assert.match(names[1] ?? '', /the system bucket sealgate-system is never a bucket of clients/)
  const [tooLong = ''] = mistakes(`systemBucket: sealgate-of-photos-and-more\n${COS}`)
  assert.match(tooLong, /^systemBucket: .* has 68 characters, and Tencent COS takes 60/)
  const [dots = ''] = mistakes(`systemBucket: seal.gate\n${COS}`)
  assert.match(dots, /takes no dots in the name of a bucket/)
})

it('Tencent COS is spoken to in the clear on this machine alone', () => {
  const domain = '  domain: "http://{bucket}.cos.{region}.myqcloud.com"\n'
  assert.match(mistakes(COS + domain)[0] ?? '', /^cos\.domain .* bodies, which COS does not sign/)
  assert.match(mistakes(`${COS}${domain}  connectTo: "10.0.0.5:80"\n`)[0] ?? '', /^cos\.domain /)
  const path = file(`${COS}${domain}  connectTo: "127.0.0.1:80"\n`)
  assert.equal(loadConfig(path, {}).cos?.connectTo, '127.0.0.1:80')
})
