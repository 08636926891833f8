import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { VaultKms, type VaultKmsOptions } from '../../src/keys/kms/vault.ts'
import type { VaultAuth } from '../../src/keys/kms/vault-session.ts'
import { ended } from '../lib/child-process.ts'
import { freePort } from '../lib/server.ts'

export const ROOT = 'root-of-the-lane'
export const BINARIES = { Vault: '.lanes/vault/vault', OpenBao: '.lanes/openbao/bao' } as const
const POLICY =
  'path "transit/encrypt/*" { capabilities = ["update"] }\npath "transit/decrypt/*" { capabilities = ["update"] }'

/** A real Vault or OpenBao in memory, with a Transit engine, two keys, and a policy that may use them and nothing else. */
export class VaultServer {
  readonly address: string
  readonly #child: ChildProcess

  private constructor(address: string, child: ChildProcess) {
    this.address = address
    this.#child = child
  }

  static async start(binary: string): Promise<VaultServer> {
    const listen = `127.0.0.1:${await freePort()}`
    const dev = [`-dev-root-token-id=${ROOT}`, `-dev-listen-address=${listen}`, '-dev-no-store-token']
    const path = join(import.meta.dirname, '../..', binary)
    const child = spawn(path, ['server', '-dev', ...dev], { stdio: 'ignore' })
    const vault = new VaultServer(`http://${listen}`, child)
    try {
      await vault.#prepare()
      return vault
    } catch (error) {
      await vault.stop()
      throw error
    }
  }

  async #prepare(): Promise<void> {
    for (let n = 0; n < 200; n++) {
      if ((await fetch(`${this.address}/v1/sys/health`).catch(() => null))?.status === 200) break
      await sleep(100)
    }
    await this.root('POST', 'sys/mounts/transit', { type: 'transit' })
    for (const name of ['one', 'two']) await this.root('POST', `transit/keys/${name}`, {})
    await this.root('PUT', 'sys/policies/acl/gateway', { policy: POLICY })
  }

  /** A call with all rights; its answer is `T`. */
  async root<T = unknown>(method: string, path: string, body?: object, namespace = ''): Promise<T> {
    const answer = await fetch(`${this.address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': ROOT, ...(namespace === '' ? {} : { 'x-vault-namespace': namespace }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
    return (text === '' ? {} : JSON.parse(text)) as T
  }

  kms(auth: VaultAuth, more: Partial<VaultKmsOptions> = {}): VaultKms {
    const common = { address: this.address, mount: 'transit', namespace: null, timeoutMs: 3000 }
    return new VaultKms({ ...common, auth, ...more })
  }

  async token(options: object): Promise<string> {
    const { auth } = await this.root<{ auth: { client_token: string } }>('POST', 'auth/token/create', {
      policies: ['gateway'],
      no_parent: true,
      ...options,
    })
    return auth.client_token
  }

  /** Sign-in by AppRole whose tokens live that long. */
  async appRole(ttl: string) {
    const methods = await this.root<{ data: object }>('GET', 'sys/auth')
    if (!('approle/' in methods.data)) await this.root('POST', 'sys/auth/approle', { type: 'approle' })
    await this.setAppRole(ttl)
    const role = await this.root<{ data: { role_id: string } }>('GET', 'auth/approle/role/gateway/role-id')
    const path = 'auth/approle/role/gateway/secret-id'
    const secret = await this.root<{ data: { secret_id: string } }>('POST', path, {})
    const secretId = { value: secret.data.secret_id }
    return {
      method: 'approle',
      mount: 'approle',
      roleId: role.data.role_id,
      secretId,
    } as const satisfies VaultAuth
  }

  setAppRole(ttl: string): Promise<unknown> {
    const body = { token_policies: 'gateway', token_ttl: ttl, token_max_ttl: ttl }
    return this.root('POST', 'auth/approle/role/gateway', body)
  }

  stop(): Promise<void> {
    return ended(this.#child, 'SIGKILL')
  }
}

/** The one call that the Kubernetes auth method makes to a cluster: is this the token of a service account? */
export class TokenReviews {
  readonly #server: Server
  readonly seen: string[] = []

  private constructor(valid: string) {
    this.#server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const { spec } = JSON.parse(body) as { spec: { token: string } }
      this.seen.push(`${request.method} ${request.url}`)
      const user = { username: 'system:serviceaccount:storage:sealgate', uid: 'u' }
      const status = spec.token === valid ? { authenticated: true, user } : { authenticated: false }
      response.writeHead(201, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status }))
    })
  }

  static async start(valid: string): Promise<TokenReviews> {
    const reviews = new TokenReviews(valid)
    reviews.#server.listen(0, '127.0.0.1')
    await once(reviews.#server, 'listening')
    return reviews
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}
