/** The COS emulator as a process, for lanes: prints where it is as one line of JSON, and serves until it is told to stop. `COS_PORT` may name its port. */
import { startCosServer } from './cos-server.ts'

const server = await startCosServer({ port: Number(process.env['COS_PORT'] ?? 0) })
const { address, endpoint, appid, region, secretId, secretKey } = server
console.log(JSON.stringify({ address, endpoint, appid, region, secretId, secretKey }))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close())
