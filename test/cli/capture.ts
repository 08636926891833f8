/** Runs the command line to its end, with bytes in and both streams apart. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ROOT } from './run.ts'

export interface Captured {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface CaptureOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly input?: Uint8Array
  /** `--max-old-space-size` and its like. */
  readonly nodeOptions?: readonly string[]
}

export async function capture(
  args: readonly string[],
  { environment = {}, input, nodeOptions = [] }: CaptureOptions = {},
): Promise<Captured> {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env
  const child = spawn(process.execPath, [...nodeOptions, join(ROOT, 'src/cli/main.ts'), ...args], {
    env: { PATH, NODE_COMPILE_CACHE, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  // A command that refuses does not read its input to the end.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }
}
