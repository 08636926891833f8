/** The COS emulator as a process, for lanes: prints where it is as one line of JSON, and serves until it is told to stop. COS_PORT, COS_APPID and COS_REGION may say otherwise than it would. */
import { startCosServer } from './cos-server.ts'

const server = await startCosServer({
  port: Number(process.env['COS_PORT'] ?? 0),
  appid: process.env['COS_APPID'] ?? '1250000000',
  region: process.env['COS_REGION'] ?? 'ap-guangzhou',
})
const { address, endpoint, appid, region, secretId, secretKey } = server
console.log(JSON.stringify({ address, endpoint, appid, region, secretId, secretKey }))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close())
