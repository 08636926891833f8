import { isError, SealgateError } from '../../errors.ts'
import type { Scratch } from '../wire/scratch.ts'
import { type BodyIntegrity, isPlain, PLAIN_BODY } from '../wire/upload-body.ts'

const SIGNED_CHUNKS: BodyIntegrity = { signedChunks: true, checksum: false }
const SMALL = Buffer.from('probe')

/**
 * A checksum behind the body where a wrong one is noticed; signed chunks where it is not, and over connections that are not secure. Where
 * the server takes neither (Tencent COS) the body as it is, over secure connections alone.
 */
export async function probeIntegrity(scratch: Scratch, secure: boolean): Promise<BodyIntegrity> {
  const wanted = { signedChunks: !secure, checksum: true }
  const good = (await upload(scratch, wanted)) && !(await upload(scratch, wanted, 'AAAAAA=='))
  if (good) return wanted
  if (await upload(scratch, SIGNED_CHUNKS)) return SIGNED_CHUNKS
  if (secure && (await upload(scratch, PLAIN_BODY))) return PLAIN_BODY
  throw new SealgateError('NotImplemented', secure ? UNCONFIRMED : INSECURE)
}

const UNCONFIRMED =
  'The store takes no uploads in signed chunks (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), and the ETag of what it takes otherwise is not the MD5 of the bytes: there is no way to be sure that it holds what was sent.'
const INSECURE =
  'The store takes no uploads in signed chunks (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), which is how it is sure to hold what was sent. Without them it can be used over https:// alone.'

async function upload(scratch: Scratch, integrity: BodyIntegrity, checksum?: string): Promise<boolean> {
  const body = (async function* () {
    yield SMALL
  })()
  const key = `upload-${checksum ?? ''}${integrity.signedChunks}${integrity.checksum}`
  const stated = checksum === undefined ? {} : { checksum }
  const put = { method: 'PUT', body: { size: SMALL.length, body, integrity, ...stated } } as const
  const answer = await scratch.ask(key, put).catch((error: unknown) => {
    // Of a body without frames: what came back does not confirm it.
    if (isPlain(integrity) && isError(error, 'SlowDown')) return null
    throw error
  })
  if (answer === null) return false
  const head = await scratch.ask(key, { method: 'HEAD' })
  return (
    answer.status === 200 && head.status === 200 && head.headers['content-length'] === String(SMALL.length)
  )
}
