import { createHmac } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** A signing key is good for one day and region; the secret is kept to notice that it was replaced. */
const signingKeys = new LRUCache<string, { readonly secret: string; readonly key: Buffer }>({ max: 1000 })

/** @param scope `20130524/us-east-1/s3/aws4_request` */
export function signingKeyOf(accessKeyId: string, scope: string, secret: string): Buffer {
  const id = `${accessKeyId}/${scope}`
  const cached = signingKeys.get(id)
  if (cached?.secret === secret) return cached.key
  const key = scope
    .split('/')
    .reduce(
      (parent, field) => createHmac('sha256', parent).update(field).digest(),
      Buffer.from(`AWS4${secret}`, 'utf8'),
    )
  signingKeys.set(id, { secret, key })
  return key
}
