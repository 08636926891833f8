/** The key services there can be. */
export const PROVIDERS = ['local', 'tencent', 'aws', 'vault'] as const
export type Provider = (typeof PROVIDERS)[number]

/** How the id of a CMK is written in envelopes and allow-lists, and which part of it is the service's own. */
const FORMS: Readonly<Record<Provider, RegExp>> = {
  local: /^local:(?<own>[0-9a-f]{16})$/,
  tencent: /^tencent:(?<own>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/,
  aws: /^arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,40}:\d{12}:key\/(?<own>[A-Za-z0-9-]{1,64})$/,
  vault: /^vault:(?<own>\w(?:[\w.-]{0,126}\w)?)$/,
}

/** The service of a CMK by its canonical id; null if it is none. */
export function providerOf(id: string): Provider | null {
  return PROVIDERS.find((provider) => FORMS[provider].test(id)) ?? null
}

/** What the service itself calls the CMK; of AWS the part behind `key/`. Null if the id is not one of this service. */
export function ownId(provider: Provider, id: string): string | null {
  return FORMS[provider].exec(id)?.groups?.['own'] ?? null
}

export interface CmkName {
  readonly provider: Provider
  /** As the service's users write it: an id, an alias, a key's name. */
  readonly name: string
}

/** A name of the configuration: `PROVIDER:NAME`, an ARN, or a bare name of the default provider. */
export function parseCmkName(text: string, fallback: Provider): CmkName {
  if (text.startsWith('arn:')) return { provider: 'aws', name: text }
  const provider = PROVIDERS.find((known) => text.startsWith(`${known}:`))
  return provider === undefined
    ? { provider: fallback, name: text }
    : { provider, name: text.slice(provider.length + 1) }
}
