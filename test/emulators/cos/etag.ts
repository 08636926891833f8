import { randomBytes } from 'node:crypto'

/** ETags that are no digest: of uploads by parts, and of all objects under SSE-KMS. */
export function newEtag(): string {
  return randomBytes(16).toString('hex')
}
