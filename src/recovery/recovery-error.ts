/**
 * What did not hold, as far as it can be told apart:
 * - `not-encrypted`, `envelope`: there is no envelope, or its text does not decode
 * - `cmk`: the configuration does not allow its CMK for this bucket; `key-service`: the key service gives no key
 * - `data-key`: the DEK does not open (bucket, realm or CMK); `name`: the DEK does, the object's key does not
 * - `customer-key`: it was stored with a key that only the customer has, and that was not given, or is another one
 * - `metadata`: what was given is not what was sealed
 * - `length`, `footer`, `segment`, `padding`, `checksum`: the stored bytes
 * - `range`: the object has no such bytes; `gone`, `store`: the store does not have it, or does not give it
 */
export type Finding =
  | 'not-encrypted'
  | 'envelope'
  | 'cmk'
  | 'key-service'
  | 'data-key'
  | 'name'
  | 'customer-key'
  | 'metadata'
  | 'length'
  | 'footer'
  | 'segment'
  | 'padding'
  | 'checksum'
  | 'range'
  | 'gone'
  | 'store'

/** Why an object was not opened: a sentence that says what to do, and no byte of what it holds. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError'
  readonly finding: Finding
  /** True if the same may go well a little later. */
  readonly passing: boolean

  constructor(
    finding: Finding,
    message: string,
    { cause, passing = false }: { readonly cause?: unknown; readonly passing?: boolean } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.finding = finding
    this.passing = passing
  }

  /** True if nothing could be tried: no word about the object. */
  get untried(): boolean {
    return ['cmk', 'key-service', 'customer-key', 'range', 'gone', 'store'].includes(this.finding)
  }
}
