import { encodePath, uriEncode } from '../../base/uri-encode.ts'

export interface CosAddressOptions {
  /** Of all buckets that have none of their own. */
  readonly region: string
  /** By the store's own names. */
  readonly regions: ReadonlyMap<string, string>
  /** Scheme and host, with `{bucket}` and `{region}`; null for COS's own. */
  readonly domain: string | null
  /** Where connections go instead of to the address of a host's name: `host:port`. */
  readonly connectTo: string | null
}

export interface CosTarget {
  readonly origin: string
  readonly host: string
  /** Not encoded. */
  readonly path: string
  /** As it goes on the wire, with the query. */
  readonly target: string
}

const DOMAIN = 'https://{bucket}.cos.{region}.myqcloud.com'

/** Where the buckets of COS are: each has a host of its own, whose name says where. */
export class CosAddresses {
  readonly #o: CosAddressOptions
  readonly #scheme: string
  /** Behind the scheme. */
  readonly #host: string

  constructor(options: CosAddressOptions) {
    this.#o = options
    const [, scheme = '', host = ''] = /^(https?):\/\/([^/]+)\/?$/.exec(options.domain ?? DOMAIN) ?? []
    if (!host.includes('{bucket}')) throw new TypeError('expected a domain with {bucket}')
    this.#scheme = scheme
    this.#host = host
  }

  get secure(): boolean {
    return this.#scheme === 'https'
  }

  /** Without a bucket it is the list of the account's buckets that is asked for. */
  target(
    bucket: string | undefined,
    key: string | undefined,
    query: Readonly<Record<string, string>>,
  ): CosTarget {
    const host = this.#hostOf(bucket)
    const text = queryText(query)
    const path = `/${encodePath(key ?? '')}`
    return {
      origin: `${this.#scheme}://${this.#o.connectTo ?? host}`,
      host,
      path: `/${key ?? ''}`,
      target: text === '' ? path : `${path}?${text}`,
    }
  }

  regionOf(bucket: string): string {
    return this.#o.regions.get(bucket) ?? this.#o.region
  }

  /** The source of a copy, of one in S3's form: `/bucket/encoded-key?versionId=…`. COS itself fetches it, by its own name of the bucket. */
  copySource(source: string): string {
    const [, bucket = '', rest = ''] = /^\/?([^/]+)(\/.*)$/s.exec(source) ?? []
    return `${bucket}.cos.${this.regionOf(bucket)}.myqcloud.com${rest}`
  }

  #hostOf(bucket: string | undefined): string {
    if (bucket === undefined)
      return this.#host.replace('{bucket}.', '').replaceAll('{region}', this.#o.region)
    return this.#host.replace('{bucket}', bucket).replaceAll('{region}', this.regionOf(bucket))
  }
}

/** Parameters without a value are flags. */
function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => (value === '' ? uriEncode(name) : `${uriEncode(name)}=${uriEncode(value)}`))
    .sort()
    .join('&')
}
