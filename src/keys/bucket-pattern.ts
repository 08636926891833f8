/** What says whether a bucket is meant by a name or a pattern, in which `*` stands for any characters. Linear in both. */
export function bucketPattern(pattern: string): (bucket: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (bucket) => bucket === pattern
  return (bucket) => {
    let at = bucket.startsWith(first) ? first.length : -1
    for (const part of rest) {
      const found = at < 0 ? -1 : bucket.indexOf(part, at)
      at = found < 0 ? -1 : found + part.length
    }
    return at >= 0 && bucket.length - last.length >= at && bucket.endsWith(last)
  }
}

/** What the names of all buckets of a pattern begin with. */
export function patternPrefix(pattern: string): string {
  return pattern.split('*')[0] ?? ''
}
