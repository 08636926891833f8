/** Where Tencent Cloud's clients get temporary credentials: the metadata service of a CVM with a role, and STS for the pods of TKE. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface IssuedKeys {
  readonly secretId: string
  readonly secretKey: string
  readonly token: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

const ROLE = 'sealgate role'
const PATH = '/latest/meta-data/cam/security-credentials/'

export class TencentRoles {
  readonly issued: IssuedKeys[] = []
  /** Nobody gets any while it is set. */
  isAway = false
  /** What a pod shows of itself. */
  readonly webIdentity = randomBytes(16).toString('hex')
  lifetimeMs = 3_600_000
  readonly #server: Server
  readonly #onIssued: (keys: IssuedKeys) => void

  /** @param onIssued makes the keys known where they are to be used */
  constructor(onIssued: (keys: IssuedKeys) => void) {
    this.#onIssued = onIssued
    this.#server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const answer = this.isAway ? null : this.#answer(request.method ?? '', request.url ?? '', body)
      response.writeHead(answer === null ? 404 : 200)
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    })
  }

  static async start(onIssued: (keys: IssuedKeys) => void): Promise<TencentRoles> {
    const roles = new TencentRoles(onIssued)
    roles.#server.listen(0, '127.0.0.1')
    await once(roles.#server, 'listening')
    return roles
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #answer(method: string, url: string, body: string): unknown {
    if (method === 'POST') return this.#assumeRole(body)
    if (url === PATH) return ROLE
    if (url !== PATH + encodeURIComponent(ROLE)) return null
    const { ExpiredTime, ...keys } = this.#issue()
    return { Code: 'Success', ...keys, ExpiredTime }
  }

  /** Unsigned: what the pod shows of itself stands for it. */
  #assumeRole(body: string): unknown {
    const { WebIdentityToken } = JSON.parse(body) as { WebIdentityToken?: string }
    if (WebIdentityToken !== this.webIdentity)
      return { Response: { Error: { Code: 'InvalidParameter.WebIdentityTokenError', Message: 'emulated' } } }
    const { ExpiredTime, ...Credentials } = this.#issue()
    return { Response: { Credentials, ExpiredTime } }
  }

  #issue() {
    const keys: IssuedKeys = {
      secretId: `AKIDTMP${randomBytes(8).toString('hex')}`,
      secretKey: randomBytes(16).toString('hex'),
      token: randomBytes(24).toString('base64'),
      expiresAt: Math.floor((Date.now() + this.lifetimeMs) / 1000) * 1000,
    }
    this.issued.push(keys)
    this.#onIssued(keys)
    return {
      TmpSecretId: keys.secretId,
      TmpSecretKey: keys.secretKey,
      Token: keys.token,
      ExpiredTime: keys.expiresAt / 1000,
    }
  }
}
