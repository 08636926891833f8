import {
  tencentCredentials as credentialsOf,
  type TencentCredentials,
  TencentCredentialsError,
  type TencentCredentialsOptions,
} from '../../base/tencent-credentials.ts'
import { KmsError } from './kms-error.ts'

/** Those of Tencent Cloud's own clients, for a key service. */
export function tencentCredentials(
  options: Omit<TencentCredentialsOptions, 'fields'>,
): (refresh: boolean) => Promise<TencentCredentials> {
  const source = credentialsOf({ ...options, fields: 'kms.tencent.secretId and kms.tencent.secretKey' })
  return async (refresh) => {
    try {
      return await source(refresh)
    } catch (error) {
      if (!(error instanceof TencentCredentialsError)) throw error
      throw new KmsError(error.fault, error.code, error.message)
    }
  }
}
