import type { ListMultipartUploadsRequest, Storage } from '../../src/storage/storage.ts'

/** A store that lists the uploads of one key at a time, and keeps them when their bucket is deleted. */
export function listsByKey(storage: Storage): Storage {
  const capabilities = { ...storage.capabilities, listsUploads: false }
  const list = async (request: ListMultipartUploadsRequest) => {
    const page = await storage.listMultipartUploads({ ...request, delimiter: '' })
    return { ...page, uploads: page.uploads.filter(({ key }) => key === request.prefix) }
  }
  return new Proxy(storage, {
    get(target, name) {
      if (name === 'capabilities') return capabilities
      if (name === 'listMultipartUploads') return list
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
