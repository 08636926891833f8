import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type DecryptOptions, decrypt as decryptHere } from '../../src/cli/decrypt.ts'
import { exitStatus, refusal } from '../../src/cli/refusal.ts'
import { asideOf } from '../../src/recovery/safe-path.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { storedOf } from '../recovery/helpers.ts'
import { type CaptureOptions, capture } from './capture.ts'

const MIB = 1024 * 1024
const home = mkdtempSync(join(tmpdir(), 'sealgate-decrypt-'))
const SINGLE = randomBytes(200_000)
const PARTS = [randomBytes(5 * MIB), randomBytes(100_001)]
const MULTIPART = Buffer.concat(PARTS)
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), 'photos')
  await bucket.put('2024/cat.jpg', SINGLE, { ContentType: 'image/jpeg', Metadata: { colour: 'grey' } })
  await bucket.putParts('2024/film.mp4', PARTS)
  for (const key of ['2024/cat.jpg', '2024/film.mp4']) await download(key)
})
after(async () => {
  await gateway.close()
  rmSync(home, { recursive: true })
})

const at = (name: string) => join(home, name)
const nameOf = (key: string) => key.replace(/.*\//, '')

/** What `aws s3api get-object` leaves of an object of the store. */
async function download(key: string): Promise<void> {
  const { headers, metadata, bytes } = await storedOf(gateway.storage, 'photos', key)
  writeFileSync(at(nameOf(key)), bytes)
  const document = { ContentLength: bytes.length, ContentType: headers['content-type'], Metadata: metadata }
  writeFileSync(at(`${nameOf(key)}.metadata.json`), JSON.stringify(document))
}

function decrypt(args: readonly string[], { environment, ...options }: CaptureOptions = {}) {
  return capture(['decrypt', ...args], {
    environment: { SEALGATE_DATA_DIR: gateway.directory, TMPDIR: home, ...environment },
    ...options,
  })
}

const CAT = ['-b', 'photos', '-k', '2024/cat.jpg']
const FILM = ['-b', 'photos', '-k', '2024/film.mp4']

describe('sealgate decrypt, a downloaded object', () => {
  it('opens a file with the metadata beside it, also without a store', async () => {
    const environment = {
      SEALGATE_DATA_DIR: at('none'),
      SEALGATE_KEYRING: join(gateway.directory, 'keyring.json'),
    }
    const { status, stdout, stderr } = await decrypt([at('cat.jpg'), ...CAT], { environment })
    assert.equal(status, 0, stderr)
    assert.ok(stdout.equals(SINGLE))
    assert.equal(stderr, '')
    assert.ok(!existsSync(at('none')))
  })

  it('opens standard input: a single object as it comes, a multipart one through a temporary file', async () => {
    const metadata = ['-m', at('cat.jpg.metadata.json')]
    const single = await decrypt(['-', ...CAT, ...metadata], {
      input: readFileSync(at('cat.jpg')),
      // There it could not keep anything.
      environment: { TMPDIR: at('none') },
    })
    assert.ok(single.stdout.equals(SINGLE), single.stderr)
    const film = { input: readFileSync(at('film.mp4')) }
    const whole = await decrypt(['-', ...FILM, '-m', at('film.mp4.metadata.json')], film)
    assert.ok(whole.stdout.equals(MULTIPART), whole.stderr)
    const range = ['--range', `${5 * MIB - 3}-${5 * MIB + 2}`]
    const part = await decrypt(['-', ...FILM, ...range, '-m', at('film.mp4.metadata.json')], film)
    assert.ok(part.stdout.equals(MULTIPART.subarray(5 * MIB - 3, 5 * MIB + 3)), part.stderr)
    assert.deepEqual(
      readdirSync(home).filter((name) => name.startsWith('sealgate-')),
      [],
    )
  })

  it('opens with the envelope alone, and says that the metadata were not checked', async () => {
    const { Metadata } = JSON.parse(readFileSync(at('cat.jpg.metadata.json'), 'utf8')) as {
      Metadata: { sealgate: string }
    }
    const envelope = ['-e', Metadata.sealgate]
    const { status, stdout, stderr } = await decrypt([at('cat.jpg'), ...CAT, ...envelope, '--range', '-5'])
    assert.equal(status, 0)
    assert.ok(stdout.equals(SINGLE.subarray(-5)))
    assert.match(stderr, /metadata were not given, so not checked/)
  })

  it('writes a file only when all of it was verified, and reports what was', async () => {
    const good = await decrypt([at('cat.jpg'), ...CAT, '-o', at('cat'), '--json'])
    assert.equal(good.status, 0, good.stderr)
    assert.ok(readFileSync(at('cat')).equals(SINGLE))
    assert.equal(statSync(at('cat')).mode & 0o777, 0o600)
    const report = JSON.parse(good.stdout.toString()) as Record<string, unknown>
    assert.deepEqual([report['size'], report['metadata'], report['kind']], [200_000, 'authentic', 'single'])
    assert.deepEqual(report['userMetadata'], { colour: 'grey' })
    assert.equal((report['checksums'] as unknown[]).length > 0, true)

    const altered = readFileSync(at('film.mp4'))
    altered.writeUInt8(altered.readUInt8(3 * MIB) ^ 1, 3 * MIB)
    mkdirSync(at('altered'))
    writeFileSync(at('altered/film'), altered)
    writeFileSync(at('altered/out'), 'was here')
    const metadata = ['-m', at('film.mp4.metadata.json')]
    const bad = await decrypt([at('altered/film'), ...FILM, ...metadata, '-o', at('altered/out')])
    assert.equal(bad.status, 1)
    assert.match(bad.stderr, /^sealgate: .*the segment behind byte 3\d{6} of the plaintext does not open/)
    assert.deepEqual(readdirSync(at('altered')).sort(), ['film', 'out'])
    assert.equal(readFileSync(at('altered/out'), 'utf8'), 'was here')

    const streamed = await decrypt([at('altered/film'), ...FILM, ...metadata, '--json'])
    assert.equal(streamed.status, 1)
    assert.ok(
      streamed.stdout.length > 0 && MULTIPART.subarray(0, streamed.stdout.length).equals(streamed.stdout),
    )
    assert.equal((JSON.parse(streamed.stderr) as { error: { finding: string } }).error.finding, 'segment')
  })

  it('takes -o - for standard output, and makes no file of that name', async () => {
    const { status, stdout, stderr } = await decrypt([at('cat.jpg'), ...CAT, '-o', '-', '--json'])
    assert.equal(status, 0, stderr)
    assert.ok(stdout.equals(SINGLE))
    assert.equal((JSON.parse(stderr) as { output: string }).output, '-')
    assert.ok(!existsSync('-'))
    const tree = await decrypt(['s3://photos/', '-o', '-'])
    assert.equal(tree.status, 2)
    assert.match(tree.stderr, /name it by -o DIR/)
    assert.ok(!existsSync('-'))
  })

  it('replaces what a link points to, and nothing that is no file', async () => {
    writeFileSync(at('target'), 'old')
    symlinkSync(at('target'), at('link'))
    assert.equal((await decrypt([at('cat.jpg'), ...CAT, '-o', at('link')])).status, 0)
    assert.ok(readFileSync(at('target')).equals(SINGLE))
    const device = await decrypt([at('cat.jpg'), ...CAT, '-o', '/dev/null'])
    assert.equal(device.status, 2)
    assert.match(device.stderr, /no regular file: name a file by -o, or leave -o out/)
  })

  it('needs no key service for what a customer key opens', async () => {
    const [customerKey, body] = [randomBytes(32), randomBytes(1000)]
    const SSECustomerKey = customerKey.toString('base64')
    await bucket.put('mine', body, { SSECustomerAlgorithm: 'AES256', SSECustomerKey })
    await download('mine')
    await gateway.storage.deleteObject({ bucket: 'photos', key: 'mine' })
    writeFileSync(at('customer.key'), `${SSECustomerKey}\n`)
    const environment = { SEALGATE_DATA_DIR: at('none') }
    const args = [at('mine'), '-b', 'photos', '-k', 'mine', '--realm', gateway.gateway.realm]
    const { stdout, stderr } = await decrypt([...args, '--customer-key', at('customer.key')], { environment })
    assert.ok(stdout.equals(body), stderr)
    const without = await decrypt(args, { environment })
    assert.equal(without.status, 2)
    assert.match(without.stderr, /a key of the customer's own \(SSE-C\).* --customer-key FILE/)
  })

  it('says what is missing or wrong in what it was given', async () => {
    const cat = { bucket: 'photos', key: '2024/cat.jpg' }
    const film = at('film.mp4.metadata.json')
    const mistakes: readonly (readonly [string, DecryptOptions, number, RegExp])[] = [
      [at('cat.jpg'), {}, 2, /--bucket NAME --key KEY/],
      [at('nothing'), cat, 2, /nothing: there is no such file/],
      ['-', cat, 2, /--metadata FILE, or its envelope alone/],
      ['-', { ...cat, metadata: '-' }, 2, /Standard input is the object/],
      [at('cat.jpg'), { ...cat, envelope: 'x', metadata: 'y' }, 2, /not both/],
      [at('cat.jpg'), { ...cat, metadata: at('cat.jpg') }, 1, /no metadata entry sealgate|is not valid JSON/],
      [at('film.mp4'), { ...cat, metadata: at('film.mp4') }, 2, /too long for the metadata/],
      [
        at('cat.jpg'),
        { ...cat, metadata: film },
        2,
        /200\d{3} bytes, and its metadata speak of 5\d{6}: the download/,
      ],
      [at('film.mp4'), { ...cat, metadata: at('cat.jpg.metadata.json') }, 2, /of another object or version/],
      [at('cat.jpg'), { ...cat, range: '5' }, 2, /no range: give A-B/],
      [at('cat.jpg'), { ...cat, range: '200000-' }, 2, /has 200000 bytes/],
      [at('cat.jpg'), { ...cat, key: 'dog' }, 1, /not sealed under the key "dog"/],
      [at('cat.jpg'), { ...cat, realm: 'other' }, 1, /the realm other/],
      [at('cat.jpg'), { ...cat, config: at('none.yaml') }, 2, /none\.yaml: cannot be read/],
      ['s3:///key', {}, 2, /names no bucket/],
      ['s3://photos/2024/', {}, 2, /a directory: name it by -o DIR/],
      ['s3://photos/2024/', { output: at('x'), range: '1-2' }, 2, /--range is for one object/],
      ['s3://', { output: at('x'), bucket: 'photos' }, 2, /--bucket is for the objects of one bucket/],
      ['s3://photos/2024/cat.png', {}, 2, /no such object/],
      ['s3://paintings/x', {}, 2, /no such bucket/],
      ['s3://paintings/', { output: at('x') }, 2, /no such bucket/],
    ]
    process.env['SEALGATE_DATA_DIR'] = gateway.directory
    for (const [source, options, status, text] of mistakes) {
      const error = await decryptHere(source, options).then(
        () => assert.fail(`${source} opened`),
        (failure: unknown) => failure,
      )
      assert.match(refusal(error) ?? String((error as Error).stack), text)
      assert.equal(exitStatus(error), status, String(error))
    }
    const { status, stderr } = await decrypt([at('cat.jpg')])
    assert.equal(status, 2)
    assert.match(stderr, /^sealgate: Say which object/)
  })
})

describe('sealgate decrypt, from the store', () => {
  it('opens an object and its ranges, beside the gateway that writes', async () => {
    const whole = await decrypt(['s3://photos/2024/film.mp4', '-o', at('film')])
    assert.equal(whole.status, 0, whole.stderr)
    assert.ok(readFileSync(at('film')).equals(MULTIPART))
    assert.match(
      whole.stdout.toString(),
      /5342881 bytes of s3:\/\/photos\/2024\/film\.mp4; verified: every segment, padding, footer/,
    )
    const range = await decrypt(['s3://photos/2024/film.mp4', '--range', `${5 * MIB - 1}-${5 * MIB}`])
    assert.ok(range.stdout.equals(MULTIPART.subarray(5 * MIB - 1, 5 * MIB + 1)))
  })

  it('opens all below a prefix, goes on where it stopped, and writes again when told', async () => {
    const other = await TestBucket.create(gateway.client(), 'documents')
    const keys = ['a', 'a/b', 'a//c', 'd/', 'd/../../e', 'f\u0001g', '100%', 'ü/ß']
    for (const key of keys) await other.put(key, key === 'd/' ? '' : `content of ${key}`)
    const directory = at('documents')
    const first = await decrypt(['s3://documents', '-o', directory])
    assert.equal(first.status, 0, first.stderr)
    assert.match(
      first.stdout.toString(),
      /8 objects \(\d+ bytes\) decrypted and verified, 0 there already, 0 failed/,
    )
    assert.match(first.stdout.toString(), /under another name: s3:\/\/documents\/f\\u0001g as .*f%01g/)
    const aside = asideOf('a')
    const files = ['100%', 'a', `${aside}/%2F/c`, `${aside}/b`, 'd/%2E%2E/%2E%2E/e', 'f%01g', 'ü/ß']
    const found = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    assert.deepEqual(found.filter((path) => statSync(join(directory, path)).isFile()).sort(), files.sort())
    assert.equal(readFileSync(join(directory, 'ü/ß'), 'utf8'), 'content of ü/ß')

    writeFileSync(join(directory, 'a'), 'of another size')
    rmSync(join(directory, '100%'))
    const again = await decrypt(['s3://documents/', '-o', directory, '--json'])
    const lines = again.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const written = lines.filter(({ outcome }) => outcome === 'written').map(({ key }) => key)
    assert.deepEqual(written.sort(), ['100%', 'a', 'd/'])
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'content of a')

    const { mtime } = statSync(join(directory, 'a'))
    writeFileSync(join(directory, 'a'), 'content of b')
    utimesSync(join(directory, 'a'), mtime, mtime)
    await decrypt(['s3://documents/', '-o', directory])
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'content of b')
    await decrypt(['s3://documents/', '-o', directory, '--overwrite'])
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'content of a')
    utimesSync(join(directory, 'a'), 1, 1)
    const newer = await decrypt(['s3://documents/', '-o', directory])
    assert.match(newer.stdout.toString(), /2 objects .* 6 there already/)
    const exact = await decrypt(['s3://documents/d/', '--exact', '--json'])
    assert.equal((JSON.parse(exact.stderr) as { size: number }).size, 0)
  })

  it('opens all buckets, leaves what is not authentic out, and says so', async () => {
    const mixed = await TestBucket.create(gateway.client(), 'mixed')
    for (const key of ['good', 'moved']) await mixed.put(key, key)
    const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
    async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
      yield bytes
    }
    await gateway.storage.putObject({
      bucket: 'mixed',
      key: 'plain',
      size: 5,
      body: one(Buffer.from('plain')),
      ...attributes,
    })
    const { headers, metadata, bytes } = await storedOf(gateway.storage, 'mixed', 'moved')
    await gateway.storage.putObject({
      bucket: 'mixed',
      key: 'renamed',
      size: bytes.length,
      body: one(bytes),
      headers,
      metadata,
      storageClass: 'STANDARD',
    })
    const run = await decrypt(['s3://', '-o', at('all')])
    assert.equal(run.status, 1)
    assert.match(run.stderr, /failed: s3:\/\/mixed\/plain: has no envelope/)
    assert.match(run.stderr, /failed: s3:\/\/mixed\/renamed: its data key opens/)
    assert.match(run.stdout.toString(), /2 failed$/m)
    assert.deepEqual(readdirSync(at('all/mixed')).sort(), ['good', 'moved'])
    assert.ok(readFileSync(at('all/photos/2024/cat.jpg')).equals(SINGLE))
    assert.ok(!existsSync(at('all/sealgate-system')))
    const found = await decrypt(['s3://mixed/renamed', '--key', 'moved'])
    assert.equal(found.stdout.toString(), 'moved')
  })
})
