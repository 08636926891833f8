/** Where a request goes: COS finds the bucket by the Host header alone, and never in the path. */
import { CosRefusal } from './refusal.ts'

export interface Target {
  /** `name-appid`; null for the service itself. */
  readonly bucket: string | null
  /** Null for the service as a whole. */
  readonly region: string | null
  /** Decoded, without its leading slash; empty for the bucket. */
  readonly key: string
  /** Decoded, with its leading slash. */
  readonly path: string
  readonly query: ReadonlyMap<string, string>
}

const SUFFIX = '(?:myqcloud\\.com|tencentcos\\.cn)'
const BUCKET = new RegExp(`^([a-z0-9-]+-\\d+)\\.cos(?:-internal)?\\.([a-z0-9-]+)\\.${SUFFIX}$`)
const SERVICE = new RegExp(`^(?:service\\.cos|cos\\.([a-z0-9-]+))\\.${SUFFIX}$`)
const MAX_HOST = 60

/** @param domains buckets by the domains of their own that they have besides */
export function readTarget(
  url: string,
  hostHeader: string | undefined,
  domains: ReadonlyMap<string, string>,
): Target {
  const host = (hostHeader ?? '').replace(/:\d+$/, '').toLowerCase()
  // Clients that go through a proxy send the whole URL.
  const target = url.replace(/^https?:\/\/[^/?]*/i, '')
  const mark = target.indexOf('?')
  const path = decode(mark < 0 ? target : target.slice(0, mark)) || '/'
  const query = readQuery(mark < 0 ? '' : target.slice(mark + 1))
  const [, bucket = domains.get(host), named = null] = BUCKET.exec(host) ?? []
  // Global acceleration finds the region by itself.
  const region = named === 'accelerate' ? null : named
  if (bucket !== undefined) {
    if (host.length > MAX_HOST) throw new CosRefusal('InvalidBucketName')
    return { bucket, region, key: path.slice(1), path, query }
  }
  // The address alone, or the service with a path, is path style.
  const service = SERVICE.exec(host)
  if (service === null || path !== '/') throw new CosRefusal('PathStyleDomainForbidden')
  return { bucket: null, region: service[1] ?? null, key: '', path, query }
}

/** Parameters in their order; one without a value has an empty one. Of one that comes twice the first counts. */
export function readQuery(text: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const pair of text.split('&').filter((pair) => pair !== '')) {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at))
    if (!query.has(name)) query.set(name, at < 0 ? '' : decode(pair.slice(at + 1)))
  }
  return query
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new CosRefusal('InvalidURI')
  }
}
