/** `; did you mean NAME?` if one of the known names is near, else where all of them are. A prefix that all names have makes none near. */
export function suggestion(name: string, known: readonly string[], prefix = ''): string {
  const [near] = known
    .map((other) => ({
      other,
      distance: editDistance(name.slice(prefix.length), other.slice(prefix.length)),
    }))
    .sort((a, b) => a.distance - b.distance)
  const allowed = Math.min(3, Math.floor((name.length - prefix.length) / 2))
  if (near === undefined || near.distance > allowed) return '; docs/operations.md lists all'
  return `; did you mean ${near.other}?`
}

/** Levenshtein's distance, case left aside. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, char] of [...a.toLowerCase()].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b.toLowerCase()].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (char === other ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
