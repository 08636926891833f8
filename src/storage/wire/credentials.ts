export interface StoreCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** Whoever signs asks here each time: credentials of a role are replaced while the process runs. */
export interface Credentials {
  get(): Promise<StoreCredentials>
  /** After the store has refused them as expired: true if there may be others now. */
  renew(): Promise<boolean>
}
