import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Credentials } from '../app.ts'

/*
 * How workers get the credentials that the primary found or made: over the channel between the two. In a variable they would lie in the list of the
 * process for as long as it runs, and whatever it started would inherit them.
 */

const QUESTION = 'credentials?'

/** Called by the primary, for each worker. */
export function tellCredentials(worker: Worker, credentials: Credentials): void {
  worker.on('message', (message: unknown) => {
    if (message === QUESTION) worker.send(credentials)
  })
}

/** Called by a worker. */
export async function askCredentials(): Promise<Credentials> {
  const answer = once(process, 'message')
  process.send?.(QUESTION)
  const [credentials] = (await answer) as [Credentials]
  return credentials
}
