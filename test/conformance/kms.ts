/** What every key service must do (src/keys/kms/kms.ts), as tests: `kmsConformance(name, open)` is called by the test file of each one. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { type EncryptionContext, type Kms, WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'

export interface OpenedKms {
  readonly kms: Kms
  /** Two CMKs that may both be used, and one that is not there. */
  readonly cmk: string
  readonly other: string
  readonly absent: string
  /** Where a server differs from the service that it stands for, with the reason. */
  readonly differs?: {
    /** Says only that a call is not permitted when a blob is not of the CMK. */
    readonly deniesForeign?: string
    /** Does not authenticate all bytes of a blob: one that was altered may still open, to the same key. */
    readonly ignoresBytes?: string
  }
  close(): Promise<void>
}

const context: EncryptionContext = {
  realm: '5ea1ed00-0000-4000-8000-000000000001',
  bucket: 'photos',
  dekId: '0f'.repeat(16),
}

export function kmsConformance(name: string, open: () => Promise<OpenedKms>): void {
  describe(`${name} as a key service`, () => {
    let opened: OpenedKms
    let kms: Kms
    before(async () => {
      opened = await open()
      kms = opened.kms
    })
    after(() => opened.close())

    const refuses = (promise: Promise<unknown>, why: string) =>
      assert.rejects(promise, (error) => isForeign(error), why)
    const isForeign = (error: unknown): boolean =>
      error instanceof WrappedKeyError ||
      (opened.differs?.deniesForeign !== undefined && error instanceof KmsError && error.fault === 'denied')

    it('makes keys of 32 bytes, each another one, that open again', async () => {
      const seen = new Set<string>()
      for (let n = 0; n < 5; n++) {
        const { plaintext, wrapped } = await kms.generateDataKey(opened.cmk, context)
        assert.equal(plaintext.length, 32)
        assert.ok(wrapped.length > 0 && wrapped.length <= 6144)
        assert.ok(!wrapped.includes(plaintext))
        assert.ok((await kms.decrypt(opened.cmk, wrapped, context)).equals(plaintext))
        seen.add(plaintext.toString('hex'))
      }
      assert.equal(seen.size, 5)
    })

    it('wraps a key that was made elsewhere, differently each time', async () => {
      const key = randomBytes(32)
      const [one, two] = [
        await kms.encrypt(opened.cmk, key, context),
        await kms.encrypt(opened.cmk, key, context),
      ]
      assert.ok(!one.equals(two))
      for (const wrapped of [one, two])
        assert.ok((await kms.decrypt(opened.cmk, wrapped, context)).equals(key))
    })

    it('opens nothing under a context that differs in any part', async () => {
      const { wrapped } = await kms.generateDataKey(opened.cmk, context)
      const others: EncryptionContext[] = [
        { ...context, realm: 'other' },
        { ...context, bucket: 'photo' },
        { ...context, dekId: '0f'.repeat(15) },
        { ...context, more: '' },
        { bucket: 'photos' },
        {},
      ]
      for (const other of others)
        await refuses(kms.decrypt(opened.cmk, wrapped, other), JSON.stringify(other))
    })

    it('does not care for the order in which a context is written', async () => {
      const { plaintext, wrapped } = await kms.generateDataKey(opened.cmk, context)
      const { realm = '', bucket = '', dekId = '' } = context
      assert.ok((await kms.decrypt(opened.cmk, wrapped, { dekId, bucket, realm })).equals(plaintext))
    })

    it('opens nothing that another CMK wrapped, though it may use that one too', async () => {
      const { wrapped } = await kms.generateDataKey(opened.other, context)
      await refuses(kms.decrypt(opened.cmk, wrapped, context), 'a forgery under a foreign CMK')
      assert.equal((await kms.decrypt(opened.other, wrapped, context)).length, 32)
    })

    it('opens nothing that was altered, cut or made up', async () => {
      const { plaintext, wrapped } = await kms.generateDataKey(opened.cmk, context)
      const step = Math.max(1, Math.floor(wrapped.length / 25))
      for (let at = 0; at < wrapped.length; at += step) {
        const copy = Buffer.from(wrapped)
        // Stays a letter where it was one, so that the text is still a text.
        copy[at] = copy[at] === 0x41 ? 0x42 : 0x41
        const result = await kms.decrypt(opened.cmk, copy, context).catch((error: unknown) => error)
        const isRefused = result instanceof WrappedKeyError || result instanceof KmsError
        const isIgnored = opened.differs?.ignoresBytes !== undefined && isDeepStrictEqual(result, plaintext)
        assert.ok(isRefused || isIgnored, `offset ${at}: ${result}`)
      }
      for (const bytes of [
        wrapped.subarray(0, -1),
        wrapped.subarray(1),
        Buffer.alloc(0),
        Buffer.from('made up'),
        randomBytes(80),
      ])
        await refuses(kms.decrypt(opened.cmk, bytes, context), `${bytes.length} bytes`)
    })

    it('says that a CMK is not there', async () => {
      await assert.rejects(kms.generateDataKey(opened.absent, context), (error) => {
        assert.ok(error instanceof KmsError, String(error))
        assert.ok(['not-found', 'denied'].includes(error.fault), error.fault)
        return true
      })
    })

    it('serves many at once', async () => {
      const made = await Promise.all(
        Array.from({ length: 50 }, () => kms.generateDataKey(opened.cmk, context)),
      )
      const back = await Promise.all(made.map(({ wrapped }) => kms.decrypt(opened.cmk, wrapped, context)))
      for (const [n, { plaintext }] of made.entries()) assert.ok(back[n]?.equals(plaintext))
    })
  })
}
