/** A RADOS Gateway that test/ceph/with has started, as the suite wants it: several users, and keys to encrypt with. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { SUITE_USERS, type SuiteCredentials, type SuiteTarget, type SuiteUser } from './configuration.ts'

/** What test/ceph/cluster has set. */
const DAY_SECONDS = 10
const KMS_KEY_IDS = ['testkey-1', 'testkey-2'] as const
const TENANT = 'testx'

/** Makes the suite's users, and says how it finds them. */
export async function cephTarget(endpoint: string): Promise<SuiteTarget> {
  const users = Object.fromEntries(
    SUITE_USERS.map((name, index) => [name, credentialsOf(name, index)]),
  ) as SuiteTarget['users']
  for (const user of Object.values(users)) await createUser(user)
  await admin('caps', 'add', '--uid', users.iam.userId, '--caps', 'user-policy=*;roles=*;oidc-provider=*')
  return { endpoint, users, kmsKeyIds: KMS_KEY_IDS, lifecycleDaySeconds: DAY_SECONDS }
}

/**
 * Behind a gateway before it all users are the one that the gateway is there, which test/ceph/cluster calls as the gateway calls its own; lists of
 * access that are handed on name the others by their ids.
 */
export function sameUserOver(
  users: SuiteTarget['users'],
  { accessKeyId, secretAccessKey }: { readonly accessKeyId: string; readonly secretAccessKey: string },
): SuiteTarget['users'] {
  const own = { userId: 'sealgate', displayName: 'sealgate' }
  return Object.fromEntries(
    Object.entries(users).map(([name, user]) => [
      name,
      { ...user, ...(name === 's3 main' ? own : {}), accessKeyId, secretAccessKey, tenant: '' },
    ]),
  ) as SuiteTarget['users']
}

/** These give all of a bucket to another user: then the gateway cannot remove it either, nor the suite clean up. */
export const LOCKING_OUT = ['test_bucket_header_acl_grants']

function credentialsOf(name: SuiteUser, index: number): SuiteCredentials {
  const tenant = name === 's3 tenant' ? TENANT : ''
  const uid = name.replaceAll(' ', '-')
  return {
    // As the suite compares it: an owner of a tenant is named with it.
    userId: tenant === '' ? uid : `${tenant}$${uid}`,
    displayName: `the user ${name}`,
    email: `${uid}@example.com`,
    accessKeyId: `S3TESTSACCESSKEY000${index}`,
    secretAccessKey: `s3tests-secret-of-user-number-000000000${index}`,
    tenant,
  }
}

async function createUser(user: SuiteCredentials): Promise<void> {
  const uid = user.tenant === '' ? user.userId : user.userId.slice(user.tenant.length + 1)
  const tenant = user.tenant === '' ? [] : ['--tenant', user.tenant]
  const keys = ['--access-key', user.accessKeyId, '--secret-key', user.secretAccessKey]
  const names = ['--uid', uid, '--display-name', user.displayName, '--email', user.email]
  await admin('user', 'create', ...names, ...tenant, ...keys)
}

/** CEPH_CONF says which cluster. */
async function admin(...words: string[]): Promise<void> {
  await promisify(execFile)('radosgw-admin', words, { timeout: 60_000 })
}
