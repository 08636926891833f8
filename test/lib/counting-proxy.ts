import { Agent, request as ask, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { parseTarget } from '../../src/s3/target.ts'
import { callName } from '../emulators/s3-call-names.ts'

export interface CountingProxy {
  readonly endpoint: string
  /** Names of the calls since the last `counted`, in their order. */
  counted(): string[]
  close(): Promise<void>
}

/** Between a gateway and a real server: hands on what it gets, in both directions and byte by byte, and counts. */
export async function startCountingProxy(endpoint: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(endpoint)
  const agent = new Agent({ keepAlive: true })
  let calls: string[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', rawHeaders } = request
    const headers = new RequestHeaders(rawHeaders)
    calls.push(callName(method, parseTarget(url, headers.get('host'), []), headers))
    // The name of the host is signed, and stays that of the proxy.
    const onward = ask({ agent, hostname, port, method, path: url, headers: rawHeaders }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      pipeline(answer, response, () => undefined)
    })
    onward.on('error', () => response.destroy())
    pipeline(request, onward, () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counted() {
      const counted = calls
      calls = []
      return counted
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      agent.destroy()
    },
  }
}
