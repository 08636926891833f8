import { createHmac } from 'node:crypto'
import type { TestGateway } from './gateway.ts'
import { exchange, type RawAnswer } from './raw-http.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** The fields that sign a policy of these conditions, as boto3 makes them: those of the signature have conditions of their own. */
export function signedFields(
  gateway: TestGateway,
  conditions: readonly unknown[],
  o: { time?: number; expiration?: string; secret?: string; region?: string } = {},
): Fields {
  const { time = Date.now(), secret = gateway.secretAccessKey, region = 'us-east-1' } = o
  const date = new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`
  const signing = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${gateway.accessKeyId}/${scope}`,
    'x-amz-date': date,
  }
  const document = {
    expiration: o.expiration ?? new Date(time + 60_000).toISOString(),
    conditions: [...conditions, ...Object.entries(signing).map(([name, value]) => ({ [name]: value }))],
  }
  const policy = Buffer.from(JSON.stringify(document)).toString('base64')
  const key = scope.split('/').reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`))
  return [
    ...Object.entries(signing),
    ['policy', policy],
    ['x-amz-signature', hmac(key, policy).toString('hex')],
  ]
}

/** A form as browsers send it, with the file last. */
export function formOf(
  fields: Fields,
  content: string | Uint8Array<ArrayBuffer>,
  filename = 'a.txt',
): FormData {
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  form.append('file', new Blob([content]), filename)
  return form
}

/** Bytes as they are, for what no client would send. */
export function postBytes(
  gateway: TestGateway,
  o: { readonly target: string; readonly body: Buffer | string; readonly headers?: Record<string, string> },
): Promise<RawAnswer> {
  const headers = {
    host: new URL(gateway.endpoint).host,
    'content-type': 'multipart/form-data; boundary=B',
    'content-length': String(Buffer.byteLength(o.body)),
    ...o.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return exchange(
    gateway,
    Buffer.concat([Buffer.from(`POST ${o.target} HTTP/1.1\r\n${lines.join('')}\r\n`), Buffer.from(o.body)]),
  )
}

/** The same with boundary B, and the file where it is named. */
export function formBytes(fields: Fields, end = '--B--\r\n'): string {
  const parts = fields.map(([name, value]) => {
    const filename = name === 'file' ? '; filename="a.txt"' : ''
    return `--B\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n\r\n${value}\r\n`
  })
  return parts.join('') + end
}
