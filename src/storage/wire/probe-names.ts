/** Whether a server takes one name for another. */
import { childrenOf, childText } from '../../base/xml-reader.ts'
import { isError } from '../../errors.ts'
import { nameDecoder, readResult, withoutRawMarkers } from './documents.ts'
import type { Scratch } from './scratch.ts'

const small = Buffer.from('probe')

export async function probeLeadingSlash(scratch: Scratch): Promise<boolean> {
  const { key } = scratch.name('slash')
  const name = { key: `/${key}` }
  const { status } = await scratch.ask('slash', { method: 'PUT', body: small, ...name })
  const isOther = (await scratch.ask('slash', { method: 'HEAD' })).status === 404
  if (isOther) await scratch.ask('slash', { method: 'DELETE', ...name })
  return status === 200 && isOther
}

/** Servers that keep objects in directories either refuse such names, or clean them. */
export async function probeEmptyParts(scratch: Scratch): Promise<boolean> {
  const { key } = scratch.name('parts')
  const cleans = async (other: string) => {
    const { status } = await scratch.ask('parts', { method: 'PUT', body: small, key: other })
    if (status !== 200) return false
    const isCleaned = (await scratch.ask('parts', { method: 'HEAD' })).status === 200
    await scratch.ask('parts', { method: 'DELETE', key: other })
    return isCleaned
  }
  const last = key.lastIndexOf('/')
  const [directory, name] = [key.slice(0, last), key.slice(last + 1)]
  return !((await cleans(`${directory}//${name}`)) || (await cleans(`${directory}/./${name}`)))
}

/** Lists are asked for with names encoded; servers that do not do so write U+FFFD, or no XML, in the place of what XML cannot hold. */
export async function probeUnprintableNames(scratch: Scratch): Promise<boolean> {
  const name = 'unprintable\u0001'
  await scratch.put(name)
  const query = { 'list-type': 2, 'encoding-type': 'url', prefix: `${scratch.prefix}unprintable` }
  const bytes = withoutRawMarkers(await scratch.list(query))
  try {
    const result = readResult(bytes, 'ListBucketResult')
    const decoded = nameDecoder(result)
    const keys = childrenOf(result, 'Contents').map((object) => decoded(childText(object, 'Key')))
    return keys.includes(scratch.prefix + name)
  } catch (error) {
    if (isError(error)) return false
    throw error
  }
}
