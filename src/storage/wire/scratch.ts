import { randomBytes } from 'node:crypto'
import { readXml } from '../../base/xml-reader.ts'
import { isError, SealgateError } from '../../errors.ts'
import { SCRATCH_PREFIX } from '../storage.ts'
import type { StoreCall } from './call.ts'
import type { StoreClient, TriedCall } from './client.ts'
import { readEtag } from './headers.ts'

/** Keys that go away again. */
export class Scratch {
  readonly #client: StoreClient
  readonly #bucket: string
  readonly #prefix = `${SCRATCH_PREFIX}${randomBytes(8).toString('hex')}/`
  readonly #keys = new Set<string>()

  constructor(client: StoreClient, bucket: string) {
    this.#client = client
    this.#bucket = bucket
  }

  name(key: string): { readonly bucket: string; readonly key: string } {
    this.#keys.add(key)
    return { bucket: this.#bucket, key: this.#prefix + key }
  }

  /** The status of the answer, that of an error in the document of a success included, and the document. */
  ask(key: string, call: Pick<StoreCall, 'method'> & Partial<StoreCall>): Promise<TriedCall> {
    return this.#client.tried({ idempotent: false, ...this.name(key), ...call })
  }

  /** Puts a small object and gives its ETag in quotes. */
  async put(key: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const answer = await this.#client.done({
      method: 'PUT',
      ...this.name(key),
      headers: { 'content-type': 'text/plain', ...headers },
      body: Buffer.from('probe'),
      idempotent: true,
    })
    return `"${readEtag(answer['etag'])}"`
  }

  async list(query: Readonly<Record<string, string | number>>): Promise<Buffer> {
    const call: StoreCall = { method: 'GET', bucket: this.#bucket, query, idempotent: true }
    return (await this.#client.document(call)).bytes
  }

  get prefix(): string {
    return this.#prefix
  }

  async clear(): Promise<void> {
    const deletions = [...this.#keys].map((key) => this.ask(key, { method: 'DELETE' }))
    await Promise.allSettled(deletions)
  }
}

/** Null if it is no document. */
export function rootOf(bytes: Buffer): string | null {
  try {
    return readXml(bytes, () => {
      throw new SealgateError('MalformedXML')
    }).name
  } catch (error) {
    if (isError(error)) return null
    throw error
  }
}
