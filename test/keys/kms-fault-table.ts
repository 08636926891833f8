/**
 * What can go wrong with a key service, how each of them says it, and what a client is answered then. The tests of the gateway run it, and
 * docs/keys.md has the same table.
 */
import { randomBytes } from 'node:crypto'
import type { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import type { Emulator, Fault } from '../emulators/emulator.ts'
import type { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import type { VaultEmulator } from '../emulators/vault.ts'

/** How a service says it, in the words of the table, and what makes its emulator do so. */
export type Saying<E> = {
  readonly says: string
  /** Of the call; in the log behind `KMS: `. */
  readonly code: RegExp
  /** Where it differs from the row. */
  readonly write?: string
  readonly read?: string
} & ({ readonly fault: Fault } | { readonly state: State<E> })

/** Brings about a state of the CMK, by its own id, or of the service; what it returns ends that. */
type State<E> = (emulator: E, ownId: string) => () => void

export interface FaultRow {
  readonly name: string
  readonly tencent?: Saying<TencentKmsEmulator>
  readonly aws?: Saying<AwsKmsEmulator>
  readonly vault?: Saying<VaultEmulator>
  /** What is answered to requests that need a new data key: `served`, or status and code. */
  readonly write: string
  /** The same for those that need a data key that is not known yet. */
  readonly read: string
  /** It is met by calls that open a wrapped key, and by no others. */
  readonly onlyOpening?: true
}

const AWAY = '503 SlowDown, Retry-After'
const SHORT = Buffer.alloc(16, 7).toString('base64')
const BROKEN = '503 ServiceUnavailable'
const error = (code: string): { says: string; code: RegExp; fault: Fault } => ({
  says: code,
  code: new RegExp(code.replace(/^(\d{3}) .*/, 'HTTP $1')),
  fault: { kind: 'error', code },
})
const wire = (says: string, code: RegExp, fault: Fault) => ({ says, code, fault })
const everywhere = (says: string, code: RegExp, fault: Fault) => {
  const saying = wire(says, code, fault)
  return { tencent: saying, aws: saying, vault: saying }
}
const change = (how: (answer: Record<string, unknown>) => void): Fault => ({ kind: 'change', change: how })

const otherKey = wire(
  'another KeyId',
  /OtherKey/,
  change((answer) => (answer['KeyId'] = 'another')),
)

const shorten = (answer: Record<string, unknown>): void => {
  const data = answer['data'] as Record<string, unknown> | undefined
  if (data?.['plaintext'] !== undefined) data['plaintext'] = SHORT
}

const inState =
  <S extends string>(state: S) =>
  (emulator: { setState(id: string, state: S | 'Enabled'): void }, id: string) => {
    emulator.setState(id, state)
    return () => emulator.setState(id, 'Enabled')
  }

const softDeleted: State<VaultEmulator> = (emulator, id) => {
  const set = (isSoftDeleted: boolean) =>
    emulator.changeKey(id, (key) => {
      key.isSoftDeleted = isSoftDeleted
    })
  set(true)
  return () => set(false)
}

const oldVersionRefused: State<VaultEmulator> = (emulator, id) => {
  const set = (version: number) =>
    emulator.changeKey(id, (key) => {
      key.minDecryptionVersion = version
    })
  emulator.changeKey(id, ({ versions }) => versions.push(randomBytes(32)))
  set(2)
  return () => set(1)
}

const clockAhead: State<Emulator> = (emulator) => {
  emulator.clockOffsetMs = 20 * 60_000
  return () => {
    emulator.clockOffsetMs = 0
  }
}

export const FAULT_TABLE: readonly FaultRow[] = [
  {
    name: 'no answer in time',
    ...everywhere('nothing', /Timeout|CircuitOpen/, { kind: 'silence' }),
    write: AWAY,
    read: AWAY,
  },
  {
    name: 'the connection is cut before the answer',
    ...everywhere('nothing', /ConnectionFailed|CircuitOpen/, { kind: 'cut' }),
    write: AWAY,
    read: AWAY,
  },
  {
    name: 'the connection is cut in the answer',
    ...everywhere('half an answer', /ConnectionFailed|CircuitOpen/, { kind: 'half' }),
    write: AWAY,
    read: AWAY,
  },
  {
    name: 'throttling',
    tencent: error('RequestLimitExceeded'),
    aws: error('ThrottlingException'),
    vault: error('429 rate limit quota exceeded'),
    write: AWAY,
    read: AWAY,
  },
  {
    name: 'a fault of the service',
    tencent: error('InternalError'),
    aws: error('KMSInternalException'),
    vault: error('503 Vault is sealed'),
    write: AWAY,
    read: AWAY,
  },
  {
    name: 'a fault of something in front of it',
    ...everywhere('502 and a page', /HTTP 502|CircuitOpen/, { kind: 'status', status: 502 }),
    write: AWAY,
    read: AWAY,
  },
  {
    name: 'the CMK is disabled',
    tencent: {
      says: 'ResourceUnavailable.CmkDisabled',
      code: /CmkDisabled/,
      state: inState('Disabled'),
    },
    aws: {
      says: 'DisabledException',
      code: /DisabledException/,
      state: inState('Disabled'),
    },
    vault: {
      says: '400 refusing to use soft-deleted key',
      code: /HTTP 400/,
      state: softDeleted,
    },
    write: '400 KMS.DisabledException',
    read: '400 KMS.DisabledException',
  },
  {
    name: 'the CMK is to be deleted',
    tencent: {
      says: 'ResourceUnavailable.KeyPendingDelete',
      code: /KeyPendingDelete/,
      state: inState('PendingDelete'),
    },
    aws: {
      says: 'KMSInvalidStateException',
      code: /KMSInvalidStateException/,
      state: inState('PendingDeletion'),
    },
    write: '400 KMS.KMSInvalidStateException',
    read: '400 KMS.KMSInvalidStateException',
  },
  {
    name: 'the CMK is archived',
    tencent: {
      says: 'ResourceUnavailable.CmkArchived',
      code: /CmkArchived/,
      state: inState('Archived'),
    },
    write: '400 KMS.KMSInvalidStateException',
    read: 'served',
  },
  {
    name: 'the version of the CMK is no longer allowed',
    vault: {
      says: '400 disallowed by policy (too old)',
      code: /HTTP 400/,
      state: oldVersionRefused,
    },
    write: 'served',
    read: '400 KMS.KMSInvalidStateException',
  },
  {
    name: 'the CMK is not there',
    tencent: error('ResourceUnavailable.CmkNotFound'),
    aws: error('NotFoundException'),
    vault: error('400 encryption key not found'),
    write: '400 KMS.NotFoundException',
    read: '400 KMS.NotFoundException',
  },
  {
    name: 'the CMK is of another kind',
    aws: error('InvalidKeyUsageException'),
    vault: error("400 '[0].associated_data' provided for non-AEAD cipher suite"),
    write: '400 KMS.InvalidKeyUsageException',
    read: '400 KMS.InvalidKeyUsageException',
  },
  {
    name: 'the gateway may not use the CMK',
    tencent: error('UnauthorizedOperation'),
    aws: error('AccessDeniedException'),
    vault: error('403 permission denied'),
    write: '403 AccessDenied',
    read: '403 AccessDenied',
  },
  {
    name: 'the credentials are no good',
    tencent: error('AuthFailure.SignatureFailure'),
    aws: error('UnrecognizedClientException'),
    vault: error('403 permission denied'),
    write: '403 AccessDenied',
    read: '403 AccessDenied',
  },
  {
    name: 'the wrapped key is not of this CMK and context',
    tencent: error('InvalidParameterValue.InvalidCiphertext'),
    aws: error('InvalidCiphertextException'),
    vault: error('400 cipher: message authentication failed'),
    write: 'served',
    read: '500 ObjectIntegrityError',
    onlyOpening: true,
  },
  {
    name: 'an answer under another CMK',
    // Its Decrypt is not told the CMK: what another one has wrapped is a forgery.
    tencent: { ...otherKey, read: '500 ObjectIntegrityError' },
    aws: otherKey,
    write: BROKEN,
    read: BROKEN,
  },
  {
    name: 'an answer that ends too early',
    ...everywhere('half of its JSON', /HTTP 200|SyntaxError/, { kind: 'truncated' }),
    write: BROKEN,
    read: BROKEN,
  },
  {
    name: 'a page where an answer should be',
    ...everywhere('200 and a page', /HTTP 200|SyntaxError/, { kind: 'status', status: 200 }),
    write: BROKEN,
    read: BROKEN,
  },
  {
    name: 'a data key of another length',
    tencent: wire(
      '16 bytes',
      /WrongLength/,
      change((answer) => (answer['Plaintext'] = SHORT)),
    ),
    aws: wire(
      '16 bytes',
      /WrongLength/,
      change((answer) => (answer['Plaintext'] = SHORT)),
    ),
    // Data keys are made in the gateway.
    vault: { ...wire('16 bytes', /WrongLength/, change(shorten)), write: 'served' },
    write: BROKEN,
    read: BROKEN,
  },
  {
    name: 'the clocks differ by 20 minutes',
    tencent: {
      says: 'AuthFailure.SignatureExpire; one more call with its time',
      code: /never/,
      state: clockAhead,
    },
    aws: {
      says: 'InvalidSignatureException; one more call with its time',
      code: /never/,
      state: clockAhead,
    },
    write: 'served',
    read: 'served',
  },
]
