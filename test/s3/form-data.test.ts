import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isError } from '../../src/errors.ts'
import { MAX_FORM_BYTES, readBoundary, readForm } from '../../src/s3/form/form-data.ts'

const CRLF = '\r\n'

/** In pieces of a length each. */
async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

const part = (disposition: string, content: string) =>
  `--B${CRLF}Content-Disposition: ${disposition}${CRLF}${CRLF}${content}${CRLF}`
const field = (name: string, value: string) => part(`form-data; name="${name}"`, value)
const file = (content: string, filename = 'a.txt') =>
  part(`form-data; name="file"; filename="${filename}"`, content)

async function read(text: string | Buffer, length = 1000) {
  const { fields, file } = await readForm(pieces(Buffer.from(text), length), 'B')
  if (file === null) return { fields, file }
  const chunks: Uint8Array[] = []
  for await (const chunk of file.bytes) chunks.push(Buffer.from(chunk))
  const { filename, offset } = file
  return { fields, file: { filename, offset, content: Buffer.concat(chunks) } }
}

const fails = (text: string | Buffer, kind: Parameters<typeof isError>[1]) =>
  assert.rejects(read(text), (error) => isError(error, kind))

describe('a form', () => {
  it('has fields, and a file that may hold anything but the delimiter, however its bytes come in', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
    const tricky = fc
      .array(fc.constantFrom('\r\n', '--', '\r\n-', '\r\n--', '\r', '\n', 'B', 'x'), { maxLength: 30 })
      .map((words) => Buffer.from(words.join('')))
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, tricky), fc.integer({ min: 1, max: 50 }), async (content, length) => {
        fc.pre(!content.includes('\r\n--B') && !content.subarray(0, 3).equals(Buffer.from('--B')))
        const head = Buffer.from(`${field('key', 'k')}${file('', 'f')}`.slice(0, -CRLF.length))
        const form = Buffer.concat([head, content, Buffer.from(`${CRLF}--B--${CRLF}`)])
        const found = await read(form, length)
        assert.deepEqual(found.fields, [{ name: 'key', value: 'k' }])
        assert.deepEqual(found.file, { filename: 'f', offset: head.length, content })
      }),
    )
  })

  it('may end without a line end, and have a preamble, padding, fields behind the file and an epilogue', async () => {
    const { fields, file: found } = await read(
      `preamble${CRLF}${field('a', '1').replace('--B', '--B \t')}${field('A', '2')}${file('content')}${field('submit', 'x')}--B--epilogue`,
    )
    assert.deepEqual(fields, [
      { name: 'a', value: '1' },
      { name: 'A', value: '2' },
    ])
    assert.equal(found?.content.toString(), 'content')
    assert.equal((await read(`${file('content')}--B--`)).file?.content.toString(), 'content')
    assert.equal((await read(`${field('a', '')}--B--`)).file, null)
  })

  it('names are quoted or not, with escapes and UTF-8 in them', async () => {
    for (const [disposition, filename] of [
      ['form-data; name=file', undefined],
      ['form-data;name="FILE";filename=plain', 'plain'],
      ['FORM-DATA; filename=""; name="file"', ''],
      ['form-data; name="file"; filename="a\\"b\\\\c"', 'a"b\\c'],
      ['form-data; name="file"; filename="C:\\dir\\größe — 1.txt"', 'C:\\dir\\größe — 1.txt'],
      ['form-data; name="file"; filename*=UTF-8\'\'x; filename="y"', 'y'],
    ] as const)
      assert.equal((await read(`${part(disposition, 'x')}--B--`)).file?.filename, filename, disposition)
  })

  it('that is cut, or no form, is malformed', async () => {
    const whole = `${field('key', 'k')}${file('content')}--B--${CRLF}`
    for (let length = 0; length < whole.length - CRLF.length; length++)
      await fails(whole.slice(0, length), 'MalformedPOSTRequest')
    for (const text of [
      `${part('attachment; name="file"', 'x')}--B--`,
      `${part('form-data; filename="x"', 'x')}--B--`,
      `--B${CRLF}${CRLF}content${CRLF}--B--`,
      `--Bx${CRLF}Content-Disposition: form-data; name="a"${CRLF}${CRLF}${CRLF}--B--`,
      `${part(`form-data; name="${'n'.repeat(5000)}"`, '')}--B--`,
      Buffer.from(`${field('a', '\xff')}--B--`, 'latin1'),
      Buffer.from(`${field('\xc3', '')}--B--`, 'latin1'),
    ])
      await fails(text, 'MalformedPOSTRequest')
  })

  it('has 20 KB beside the content of its file, before and behind it', async () => {
    const large = 'x'.repeat(100_000)
    const room = MAX_FORM_BYTES - `${field('a', '')}${file('')}--B--`.length
    assert.equal(
      (await read(`${field('a', 'x'.repeat(room))}${file(large)}--B--`)).file?.content.length,
      100_000,
    )
    for (const text of [
      `${field('a', 'x'.repeat(room + 1))}${file(large)}--B--`,
      `${file(large)}${field('a', 'x'.repeat(room + 1))}--B--`,
      `${file(large)}--B--${'x'.repeat(MAX_FORM_BYTES)}`,
      field('a', large),
      'x'.repeat(100_000),
    ])
      await fails(text, 'MaxPostPreDataLengthExceeded')
  })

  it('has one file', async () => {
    await fails(`${file('1')}${file('2')}--B--`, 'InvalidArgument')
    await fails(`${file('1')}${part('form-data; name="File"', '2')}--B--`, 'InvalidArgument')
  })

  it('its boundary is read from the header', () => {
    for (const [header, boundary] of [
      ['multipart/form-data; boundary=abc', 'abc'],
      ['multipart/form-data; charset=utf-8; Boundary="a b:c"', 'a b:c'],
      [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
      [`multipart/form-data; boundary=${'x'.repeat(71)}`, null],
      ['multipart/form-data; boundary="abc "', null],
      ['multipart/form-data; boundary=', null],
      ['multipart/form-data', null],
    ] as const)
      assert.equal(readBoundary(header), boundary, header)
  })
})
