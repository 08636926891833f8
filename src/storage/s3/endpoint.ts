import { encodePath, uriEncode } from '../../base/uri-encode.ts'
import type { Query } from '../wire/call.ts'

export type Addressing = 'path' | 'virtual'

export interface Endpoint {
  readonly secure: boolean
  /** Host and port as the Host header has them. */
  readonly host: string
}

/** Where a request goes: path and query are encoded here, once, and go out as they are (no URL parser touches them). */
export interface StoreTarget {
  readonly origin: string
  readonly host: string
  readonly path: string
  readonly query: string
}

const DEFAULT_PORTS = { http: '80', https: '443' } as const

/** `http://host:port` or `https://host`, and nothing behind it. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(https?):\/\/([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?\/?$/.exec(text)
  if (match === null) throw new TypeError(`expected an endpoint like https://host:port, got ${text}`)
  const [, scheme = '', host = '', port] = match
  const usual = DEFAULT_PORTS[scheme as keyof typeof DEFAULT_PORTS]
  return {
    secure: scheme === 'https',
    host: port === undefined || port === usual ? host.toLowerCase() : `${host.toLowerCase()}:${port}`,
  }
}

/** Virtual-host style is for names that a wildcard certificate covers and an address can carry; others go by path. */
export function storeTarget(
  endpoint: Endpoint,
  addressing: Addressing,
  name: { readonly bucket?: string | undefined; readonly key?: string | undefined; readonly query?: Query },
): StoreTarget {
  const { bucket, key } = name
  const isHost =
    addressing === 'virtual' &&
    bucket !== undefined &&
    !/[._]|[A-Z]/.test(bucket) &&
    !isAddress(endpoint.host)
  const host = isHost ? `${bucket}.${endpoint.host}` : endpoint.host
  const inPath = isHost || bucket === undefined ? '' : `/${uriEncode(bucket)}`
  const path = `${inPath}/${encodePath(key ?? '')}`
  return {
    origin: `${endpoint.secure ? 'https' : 'http'}://${host}`,
    host,
    path: key === undefined && inPath !== '' ? inPath : path,
    query: encodeQuery(name.query ?? {}),
  }
}

function encodeQuery(query: Query): string {
  return Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${uriEncode(name)}=${uriEncode(String(value))}`)
    .sort()
    .join('&')
}

function isAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+(:\d+)?$/.test(host)
}
