import { SealgateError } from '../errors.ts'
import { OWNER_ID } from '../gateway/owner.ts'
import type { RequestHeaders } from './headers.ts'

const EXPECTATIONS = ['x-amz-expected-bucket-owner', 'x-amz-source-expected-bucket-owner']

/** A client that names the owner it expects wants nothing done to a bucket of anybody else. */
export function checkExpectedOwner(headers: RequestHeaders): void {
  for (const name of EXPECTATIONS) {
    const expected = headers.get(name)
    if (expected !== undefined && expected !== OWNER_ID) {
      throw new SealgateError(
        'AccessDenied',
        `The owner that ${name} names is not the bucket's, which is "${OWNER_ID}". Leave the header out, or name that one.`,
      )
    }
  }
}
