import { checkReadConditions } from './conditions.ts'
import { findObject } from './find-object.ts'
import type { Gateway } from './gateway.ts'
import { type GetObjectInput, rangeStands } from './get-object.ts'
import { checkBucket } from './names.ts'
import { describeObject, type ObjectDescription } from './object-description.ts'
import { readFooter, retryOverwritten } from './open-object.ts'
import { isPlain } from './plain-object.ts'

/** What GET would say, without the body. */
export async function headObject(gateway: Gateway, input: GetObjectInput): Promise<ObjectDescription> {
  const { signal, checksums } = input
  checkBucket(gateway, input.bucket)
  return retryOverwritten(async () => {
    const object = await findObject(gateway, input)
    checkReadConditions(input.conditions, object.stored, gateway.now())
    // The size of a multipart object is authentic only in its footer; part numbers and checksums are nowhere else.
    const needsFooter = !isPlain(object) && (object.envelope.kind === 'multipart' || checksums)
    const footer = needsFooter ? await readFooter(gateway, object, signal) : null
    const range = rangeStands(input, object) ? input.range : undefined
    return describeObject(object, footer, { range, checksums })
  })
}
