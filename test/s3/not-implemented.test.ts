/** The official client as the oracle: each of its calls that is not served here is refused under its own name. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { OPERATIONS } from '../../src/s3/operation-table.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

let gateway: TestGateway
before(async () => {
  gateway = await startGateway()
})
after(() => gateway.close())

/** They go to hosts of their own, not to the endpoint. */
const ELSEWHERE = ['ListDirectoryBuckets', 'WriteGetObjectResponse']

/** Enough for the path and the query of every call; what a call does not know is left out by the client. */
const INPUT = { Bucket: 'bucket', Key: 'k', Id: 'id', AnnotationName: 'a', RenameSource: 'x' }

type AnyCommand = new (input: typeof INPUT) => sdk.ListBucketsCommand

it('every call of the client that is not here is NotImplemented by its name, and changes nothing', async () => {
  const s3 = gateway.client()
  const commands = Object.entries(sdk)
    .filter(([name]) => /^[A-Z]\w+Command$/.test(name))
    .map(([name, command]) => [name.slice(0, -'Command'.length), command as unknown as AnyCommand] as const)
    .filter(([name]) => !OPERATIONS.includes(name) && !ELSEWHERE.includes(name))
  assert.ok(commands.length > 20)
  for (const [name, Command] of commands) {
    await assert.rejects(s3.send(new Command(INPUT)), (error: Error & { Operation?: string }) => {
      assert.deepEqual([error.name, error.message], ['NotImplemented', `${name} is not implemented.`])
      return true
    })
    assert.equal(gateway.outcomes.at(-1)?.operation, name)
  }
  const { Buckets } = await s3.send(new sdk.ListBucketsCommand())
  assert.deepEqual(Buckets, [])
})
