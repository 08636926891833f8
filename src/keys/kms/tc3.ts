/** TC3-HMAC-SHA256, the signature of Tencent Cloud's API 3.0 ("Signature Algorithm v3", product 1278, page 46710). */
import { createHash, createHmac } from 'node:crypto'

export interface Tc3Request {
  readonly secretId: string
  readonly secretKey: string
  /** The first label of the API's own domain (`kms`), whatever endpoint is used. */
  readonly service: string
  /** Exactly as it is sent, with a port if there is one. */
  readonly host: string
  readonly contentType: string
  /** Lower-case names and values as they are sent; content-type and host are added. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Seconds since 1970; a server accepts five minutes of difference. */
  readonly timestampS: number
}

/** The Authorization header of a POST to `/`. */
export function signTc3(request: Tc3Request): string {
  const fields = { ...request.headers, 'content-type': request.contentType, host: request.host }
  const names = Object.keys(fields).sort()
  const lines = names.map((name) => `${name}:${fields[name as keyof typeof fields].trim().toLowerCase()}\n`)
  const signedHeaders = names.join(';')
  const canonical = ['POST', '/', '', lines.join(''), signedHeaders, sha256(request.body)].join('\n')
  const date = new Date(request.timestampS * 1000).toISOString().slice(0, 10)
  const scope = `${date}/${request.service}/tc3_request`
  const toSign = ['TC3-HMAC-SHA256', request.timestampS, scope, sha256(canonical)].join('\n')
  const key = [date, request.service, 'tc3_request'].reduce<Buffer | string>(
    (parent, text) => hmac(parent, text),
    `TC3${request.secretKey}`,
  )
  const signature = hmac(key, toSign).toString('hex')
  return `TC3-HMAC-SHA256 Credential=${request.secretId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
