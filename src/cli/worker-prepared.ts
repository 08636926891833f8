import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Prepared } from '../app.ts'

/*
 * How workers get what the primary found or made: over the channel between the two. In a variable the credentials would lie in the list of the
 * process for as long as it runs, and whatever it started would inherit them; and what the store can do need not be tried once more by each of them.
 */

const QUESTION = 'prepared?'

/** Called by the primary, for each worker. */
export function tellPrepared(worker: Worker, prepared: Prepared): void {
  worker.on('message', (message: unknown) => {
    if (message === QUESTION) worker.send(prepared)
  })
}

/** Called by a worker. */
export async function askPrepared(): Promise<Prepared> {
  const answer = once(process, 'message')
  process.send?.(QUESTION)
  const [prepared] = (await answer) as [Prepared]
  return prepared
}
