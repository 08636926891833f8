import COS from 'cos-nodejs-sdk-v5'
import type { CosServer } from './cos-server.ts'

/** The official SDK, which goes to the emulator in the place of the hosts that it names and signs for. */
export function cosClient(server: CosServer, options: COS.COSOptions = {}): COS {
  return new COS({
    SecretId: server.secretId,
    SecretKey: server.secretKey,
    Protocol: 'http:',
    // Not in its types: where to connect to, whatever the host.
    ...({ Ip: server.address } as object),
    Timeout: 60_000,
    ...options,
  })
}
