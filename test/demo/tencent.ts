/**
 * Sealgate before Tencent Cloud, shown: two gateways over COS with their keys in KMS, real clients through them, what COS gets to see, what
 * KMS is asked, a rotation, an outage, and a recovery without any gateway. Whatever is not as it is told ends it with status 1.
 */
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { boto3, rclone, restic } from './clients.ts'
import { Deployment } from './deployment.ts'
import { Envelope } from './stored-envelope.ts'
import { Story } from './story.ts'

const SECRET = 'Nobody but us may read this sentence.'
const MIB = 1024 * 1024
const KMS_PARAMETERS = [
  'KeyId',
  'KeySpec',
  'EncryptionContext',
  'CiphertextBlob',
  'SearchKeyAlias',
  'Offset',
  'Limit',
]

const story = new Story()
const deployment = await Deployment.start()
const { kms, cos, cmk } = deployment
const file = (name: string) => join(deployment.directory, name)
let [left, right] = ['', '']

try {
  await story.step('Two gateways start, which share nothing but COS and KMS', start)
  await story.step('boto3 writes through the one and reads through the other', useBoto3)
  await story.step(
    'rclone carries a directory up through the one, and compares it through the other',
    useRclone,
  )
  await story.step('restic backs up through the one, and restores through the other', useRestic)
  await story.step('What COS holds: ciphertext, and beside it the data key as KMS has sealed it', lookAtCos)
  await story.step('Somebody who may write to COS turns a single bit there', turnBit)
  await story.step('What KMS was asked: a call for each data key, none for each object', countCalls)
  await story.step('The CMK gets a new version, and the gateways new data keys', rotate)
  await story.step('KMS is cut off: what is in memory goes on, and all else fails closed', cutOff)
  await story.step('KMS is back, and nobody has to do anything', comeBack)
  await story.step('An object is opened by `sealgate decrypt` alone: no gateway, no COS', recover)
  story.end()
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`)
  for (const replica of deployment.replicas) console.error(replica.output().slice(-2000))
  process.exitCode = 1
} finally {
  await deployment.close()
}

async function start(): Promise<void> {
  left = (await deployment.addReplica()).endpoint
  right = (await deployment.addReplica()).endpoint
  story.show('COS', `${cos.endpoint}, names end in -${cos.appid}`)
  story.show('KMS', `${kms.endpoint}, CMK ${cmk}`)
  story.show('gateways', `${left} and ${right}`)
  const { status, stdout } = await deployment.sealgate(['check', '--json'])
  story.check('`sealgate check` finds store and keys in order', status === 0)
  story.show('the realm of this deployment', realmOf(stdout.toString()))
}

function realmOf(text: string): string {
  return /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(text)?.[0] ?? ''
}

async function useBoto3(): Promise<void> {
  await boto3(left, 'make', ['letters'])
  await boto3(left, 'put', ['letters', 'first', SECRET])
  const read = await boto3(right, 'get', ['letters', 'first'])
  story.check('the other gateway gives the same text', read.result?.text === SECRET)
  story.check('and the same metadata', read.result?.metadata?.['under_score'] === 'kept')
  const large = randomBytes(12 * MIB)
  writeFileSync(file('large'), large)
  await boto3(left, 'upload', [file('large'), 'letters', 'large'])
  await boto3(right, 'download', ['letters', 'large', file('large.back')])
  story.check('12 MiB by parts come back byte for byte', readFileSync(file('large.back')).equals(large))
  const { result } = await boto3(right, 'head', ['letters', 'first'])
  story.check(
    'an answer says aws:kms and the CMK',
    result?.encryption === 'aws:kms' && result.cmk === `tencent:${cmk}`,
  )
}

/** Some files, with names and sizes that try something. */
function makeTree(): string {
  const tree = file('tree')
  mkdirSync(join(tree, '照片'), { recursive: true })
  for (let n = 0; n < 40; n++) writeFileSync(join(tree, `file ${n}.txt`), `${SECRET}\n`.repeat(n))
  writeFileSync(join(tree, '照片/(1).jpg'), Buffer.concat([Buffer.from(SECRET), randomBytes(2 * MIB)]))
  return tree
}

async function useRclone(): Promise<void> {
  const tree = makeTree()
  await rclone(left, ['mkdir', 'gate:tree'])
  await rclone(left, ['copy', tree, 'gate:tree'])
  const compared = await rclone(right, ['check', '--download', '--combined', '-', tree, 'gate:tree'])
  const lines = compared.trim().split('\n')
  const same = lines.filter((line) => line.startsWith('= ')).length
  story.check('`rclone check --download` finds all 41 files equal', same === 41 && lines.length === 41)
}

async function useRestic(): Promise<void> {
  const work = file('work')
  cpSync(file('tree'), work, { recursive: true })
  await restic(left, ['init'])
  await restic(left, ['backup', work])
  await restic(right, ['check', '--read-data'])
  await restic(right, ['restore', 'latest', '--target', file('restored')])
  const restored = join(file('restored'), work)
  const same = readdirSync(work, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(work.length))
    .every((name) => readFileSync(join(work, name)).equals(readFileSync(join(restored, name))))
  story.check('`restic check --read-data` passes, and every file is restored as it was', same)
}

async function lookAtCos(): Promise<void> {
  const object = await deployment.stored('letters', 'first')
  const envelope = Envelope.of(object)
  story.show('x-cos-meta-sealgate', `${envelope.text.slice(0, 40)}… (${envelope.text.length} characters)`)
  story.show(
    'the ciphertext DEK in it',
    `${envelope.wrappedKey.slice(0, 40)}… (${envelope.wrappedKey.length})`,
  )
  story.show('the CMK in it', envelope.cmk)
  story.show('first bytes of the object', object.bytes.subarray(0, 24).toString('hex'))
  story.check('the data key is sealed under the CMK', envelope.cmk === `tencent:${cmk}`)
  const opened = kms.calls.some(
    ({ action, body }) => action === 'Decrypt' && body['CiphertextBlob'] === envelope.wrappedKey,
  )
  story.check('it is, to the letter, what the other gateway had KMS decrypt', opened)
  const { objects, telling } = await search()
  story.check(
    `no plaintext and no data key in the clear in any of the ${objects} objects of COS`,
    telling === 0,
  )
}

/** In all that COS holds, bytes and names and metadata: the sentence that was written, and every data key that KMS has given out. */
async function search(): Promise<{ objects: number; telling: number }> {
  const keys = [...kms.secrets].map((key) => Buffer.from(key, 'base64'))
  const forms = keys.flatMap((key) => [
    key,
    ...(['base64', 'base64url', 'hex'] as const).map((form) => Buffer.from(key.toString(form))),
  ])
  const wanted = [Buffer.from(SECRET), ...forms]
  let [objects, telling] = [0, 0]
  for (const bucket of ['letters', 'tree', 'backups', 'sealgate-system'])
    for (const key of await deployment.storedKeys(bucket)) {
      const { bytes, headers } = await deployment.stored(bucket, key)
      const all = Buffer.concat([bytes, Buffer.from(key + JSON.stringify(headers))])
      objects += 1
      if (wanted.some((text) => all.includes(text))) telling += 1
    }
  return { objects, telling }
}

async function turnBit(): Promise<void> {
  await boto3(left, 'put', ['letters', 'attacked', SECRET])
  const { bytes, headers } = await deployment.stored('letters', 'attacked')
  bytes.writeUInt8(bytes.readUInt8(3) ^ 1, 3)
  await deployment.overwrite({ bucket: 'letters', key: 'attacked', headers, bytes })
  const answer = await boto3(right, 'get', ['letters', 'attacked'])
  story.show('the gateway answers', `${answer.status} ${answer.code}`)
  story.check('the object is refused, and nothing of it is served', answer.code === 'ObjectIntegrityError')
}

async function countCalls(): Promise<void> {
  const buckets = ['letters', 'tree', 'backups']
  const objects = (await Promise.all(buckets.map((bucket) => deployment.storedKeys(bucket)))).flat().length
  const [made, opened] = [kms.count('GenerateDataKey'), kms.count('Decrypt')]
  story.show('objects in three buckets', String(objects))
  story.show('GenerateDataKey', String(made))
  story.show('Decrypt', String(opened))
  story.check('a gateway makes at most one data key for a bucket', made <= 2 * buckets.length)
  story.check('and has each of the other one’s opened once', opened <= made)
  const sent = new Set(kms.calls.flatMap(({ body }) => Object.keys(body)))
  for (const name of KMS_PARAMETERS) sent.delete(name)
  story.check('and KMS is sent ids, contexts and sealed data keys, nothing else', sent.size === 0)
}

async function rotate(): Promise<void> {
  const before = Envelope.of(await deployment.stored('letters', 'first'))
  kms.rotate(cmk)
  const { status } = await deployment.sealgate(['rotate'])
  story.check('`sealgate rotate` gives the order, and no gateway is restarted', status === 0)
  const isNew = await comesTrue(async () => {
    await boto3(left, 'put', ['letters', 'after the rotation', SECRET])
    const after = Envelope.of(await deployment.stored('letters', 'after the rotation'))
    return after.wrappedKey !== before.wrappedKey
  })
  story.check('soon a new object has a new data key', isNew)
  for (const key of ['first', 'after the rotation']) {
    const read = await boto3(right, 'get', ['letters', key])
    story.check(`"${key}" is read through the other gateway`, read.result?.text === SECRET)
  }
  const unchanged = Envelope.of(await deployment.stored('letters', 'first'))
  story.check('what lay there before was not touched', unchanged.text === before.text)
}

async function cutOff(): Promise<void> {
  const third = (await deployment.addReplica()).endpoint
  kms.outage = { kind: 'cut' }
  const read = await boto3(right, 'get', ['letters', 'first'])
  story.check('objects whose data keys are in memory are read', read.result?.text === SECRET)
  const write = await boto3(left, 'put', ['letters', 'during the outage', SECRET])
  story.check('and written, under the data key of the bucket', write.code === undefined)
  await boto3(left, 'make', ['new-bucket'])
  const refused = await boto3(left, 'put', ['new-bucket', 'k', SECRET])
  story.show('a write that needs a new data key', `${refused.status} ${refused.code}`)
  story.check('is refused for now (503)', refused.status === 503)
  const stored = await deployment.storedKeys('new-bucket')
  story.check('and has stored nothing', stored.length === 0)
  const blind = await boto3(third, 'get', ['letters', 'first'])
  story.show('a third gateway, just started', `${blind.status} ${blind.code}`)
  story.check('serves nothing, as it has opened no data key yet', blind.status === 503)
}

async function comeBack(): Promise<void> {
  kms.outage = undefined
  const writes = await comesTrue(async () => {
    const { code } = await boto3(left, 'put', ['new-bucket', 'k', SECRET])
    return code === undefined
  })
  story.check('the write that was refused succeeds', writes)
  const third = deployment.replicas[2]?.endpoint ?? ''
  const reads = await comesTrue(async () => {
    const { result } = await boto3(third, 'get', ['letters', 'during the outage'])
    return result?.text === SECRET
  })
  story.check('and the third gateway reads', reads)
}

/** Within 20 seconds. */
async function comesTrue(attempt: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    if (await attempt()) return true
    await sleep(500)
  }
  return false
}

async function recover(): Promise<void> {
  const { stdout } = await deployment.sealgate(['check', '--json'])
  const realm = realmOf(stdout.toString())
  const { bytes, headers } = await deployment.stored('letters', 'large')
  writeFileSync(file('sealed'), bytes)
  writeFileSync(file('sealed.metadata.json'), JSON.stringify(headers))
  for (const replica of deployment.replicas.splice(0)) await replica.stop()
  await cos.close()
  story.show('there are left', 'two files, the CMK, the realm and the names')
  const args = [
    'decrypt',
    file('sealed'),
    '--realm',
    realm,
    '-b',
    'letters',
    '-k',
    'large',
    '-o',
    file('recovered'),
  ]
  const environment = { ...deployment.keyService, SEALGATE_DATA_DIR: file('none') }
  const { status, stderr } = await deployment.sealgate(args, environment)
  if (status !== 0) story.show('it says', stderr.trim())
  story.check('`sealgate decrypt` verifies and opens it', status === 0)
  const same = readFileSync(file('recovered')).equals(readFileSync(file('large')))
  story.check('12 MiB, byte for byte', same)
}
