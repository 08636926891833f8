import { loadConfig } from '../config/config.ts'
import { openOfflineStore } from '../offline.ts'
import { type ClearDescription, describeEnvelope } from '../recovery/describe.ts'
import { decodeEnvelope } from '../recovery/open-sealed.ts'
import { RecoveryError } from '../recovery/recovery-error.ts'
import { bucketsIn, listed, sealedInStore } from '../recovery/store-source.ts'
import type { InspectOptions } from './inspect.ts'
import type { Location } from './recovery-input.ts'

/** Objects that are looked at at once. */
const AHEAD = 16

/** A line for each object below a prefix, by its envelope alone, and how many are sealed under each CMK. */
export async function inspectTree(
  tree: Extract<Location, { kind: 'tree' }>,
  options: InspectOptions,
): Promise<void> {
  const config = loadConfig(options.config, process.env)
  const storage = await openOfflineStore(config, {})
  const byCmk = new Map<string, number>()
  let failed = 0
  try {
    const look = async (bucket: string, key: string) => {
      try {
        const sealed = await sealedInStore(storage, { bucket, key })
        return { bucket, key, ...describeEnvelope(sealed.name, decodeEnvelope(sealed), sealed.size) }
      } catch (error) {
        if (error instanceof RecoveryError) return error
        throw error
      }
    }
    for await (const found of inOrder(names(storage, config.systemBucket, tree), look)) {
      if (found instanceof RecoveryError) {
        failed += 1
        if (options.json === true)
          console.log(JSON.stringify({ finding: found.finding, message: found.message }))
        else console.error(`failed: ${found.message}`)
        continue
      }
      const under = found.cmkId ?? "a customer's own key"
      byCmk.set(under, (byCmk.get(under) ?? 0) + 1)
      console.log(
        options.json === true
          ? JSON.stringify(found)
          : `${found.name}  ${found.plainSize ?? '?'} bytes  ${found.kind}  ${keyOf(found)}`,
      )
    }
  } finally {
    await storage.close()
  }
  if (options.json === true)
    console.log(JSON.stringify({ summary: { byCmk: Object.fromEntries(byCmk), failed } }))
  else
    for (const [cmkId, count] of byCmk)
      console.log(`${count} under ${cmkId.startsWith('a customer') ? cmkId : `the CMK ${cmkId}`}`)
  if (failed > 0) process.exitCode = 1
}

function keyOf({ cmkId, dekId }: ClearDescription): string {
  return cmkId === null ? "a customer's own key" : `CMK ${cmkId}  data key ${dekId}`
}

type Tree = Extract<Location, { kind: 'tree' }>

async function* names(
  storage: Parameters<typeof listed>[0],
  systemBucket: string,
  { bucket: named, prefix }: Tree,
): AsyncGenerator<readonly [bucket: string, key: string]> {
  for (const bucket of await bucketsIn(storage, named, systemBucket))
    for await (const { key } of listed(storage, bucket, prefix)) yield [bucket, key]
}

/** Looks at some at once, and gives what they are in their order. */
async function* inOrder<T>(
  source: AsyncGenerator<readonly [string, string]>,
  look: (bucket: string, key: string) => Promise<T>,
): AsyncGenerator<T> {
  const running: Promise<T>[] = []
  for await (const [bucket, key] of source) {
    running.push(look(bucket, key))
    if (running.length < AHEAD) continue
    const first = running.shift()
    if (first !== undefined) yield await first
  }
  for (const rest of running) yield await rest
}
