/**
 * Sub-resources of S3 that give others access, or send data or news of it elsewhere, or that only the store's own account can make sense of: the
 * gateway hands them on to the store if the configuration names them.
 */
export const FORWARDABLE = [
  'accelerate',
  'acl',
  'analytics',
  'intelligent-tiering',
  'inventory',
  'logging',
  'metrics',
  'notification',
  'ownershipControls',
  'policy',
  'publicAccessBlock',
  'replication',
  'requestPayment',
  'website',
] as const

export type Forwardable = (typeof FORWARDABLE)[number]
