/** Whether a server takes one name for another. */
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
