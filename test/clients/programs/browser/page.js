/** What runs in the browser: it asks its own origin what to do, talks to the gateway by presigned URLs alone, and reports back. */

import AwsS3 from '@uppy/aws-s3'
import Uppy from '@uppy/core'

const MIB = 1024 * 1024

const columns = {
  /** Files as one PUT each. */
  async small() {
    for (const size of [1, 1000, 65_537])
      await upload(`small-${size}`, content(size), { shouldUseMultipart: false })
  },

  async empty() {
    await upload('empty', content(0), { shouldUseMultipart: false })
  },

  /** Every part's ETag is read off an answer of another origin. */
  async multipart() {
    await upload('multipart', content(12 * MIB + 5), parts())
  },

  /** As after a crash of the tab: the first part is there, and Uppy asks which. */
  async resume() {
    const data = content(12 * MIB + 5)
    const begun = await (await ask({ method: 'POST', key: 'resume' })).text()
    const uploadId = new DOMParser()
      .parseFromString(begun, 'application/xml')
      .querySelector('UploadId').textContent
    const first = await ask(
      { method: 'PUT', key: 'resume', uploadId, partNumber: 1 },
      { body: data.slice(0, 5 * MIB) },
    )
    expect(first.headers.get('etag') !== null, 'the ETag of a part is not exposed')
    const sent = await upload('resume', data, parts(), { uploadId, key: 'resume' })
    expect(
      sent.some(({ method }) => method === 'GET'),
      'Uppy did not list the parts',
    )
    expect(!sent.some(({ partNumber }) => partNumber === 1), 'Uppy sent the first part again')
  },

  /** Preflights and exposed headers; the same from an origin that no rule names must not get through. */
  async special() {
    const allowed = location.hostname === '127.0.0.1'
    const put = () =>
      ask({ method: 'PUT', key: 'special' }, { body: 'x', headers: { 'content-type': 'text/x-lane' } })
    if (!allowed) {
      await put().then(
        () => expect(false, 'a page of another origin got through'),
        (error) => expect(error instanceof TypeError, `failed in another way: ${error}`),
      )
      return
    }
    expect(/^"[0-9a-f]{32}-0"$/.test((await put()).headers.get('etag')), 'the ETag of a PUT is not exposed')
    const missing = await ask({ method: 'GET', key: 'missing', uploadId: 'no-such-upload' }, {}, 404)
    expect(
      missing.headers.get('content-type') === 'application/xml',
      `an error is ${missing.headers.get('content-type')}`,
    )
    expect((await missing.text()).includes('<Code>NoSuchUpload</Code>'), 'the page cannot read what is wrong')
  },
}

const parts = () => ({ shouldUseMultipart: true, getChunkSize: () => 5 * MIB })

/** The same bytes that the lane expects: each is its place, by 251. */
function content(size) {
  return new Blob([Uint8Array.from({ length: size }, (_, index) => index % 251)])
}

function expect(holds, what) {
  if (!holds) throw new Error(what)
}

async function sign(request) {
  return await (await fetch('/sign', { method: 'POST', body: JSON.stringify(request) })).json()
}

async function ask(request, init = {}, status = 200) {
  const answer = await fetch((await sign(request)).url, { method: request.method, ...init })
  expect(
    answer.status === status,
    `${request.method} ${request.key}: ${answer.status} ${await answer.clone().text()}`,
  )
  return answer
}

/** Uploads by Uppy; returns what it asked to be signed. */
async function upload(key, data, options, s3Multipart) {
  const sent = []
  const uppy = new Uppy().use(AwsS3, {
    ...options,
    generateObjectKey: () => key,
    signRequest: (request) => {
      sent.push(request)
      return sign(request)
    },
  })
  const id = uppy.addFile({ name: key, type: 'application/x-lane', data })
  if (s3Multipart !== undefined) uppy.setFileState(id, { s3Multipart })
  const { successful, failed } = await uppy.upload()
  expect(failed.length === 0 && successful.length === 1, `${key}: ${failed[0]?.error}`)
  return sent
}

const { column } = await (await fetch('/task')).json()
const failure = await columns[column]().then(
  () => undefined,
  (error) => String(error.stack ?? error),
)
await fetch('/report', { method: 'POST', body: JSON.stringify({ failure }) })
