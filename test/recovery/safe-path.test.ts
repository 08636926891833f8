import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve, sep } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { Places } from '../../src/cli/places.ts'
import { asideOf, namesOf } from '../../src/recovery/safe-path.ts'

const root = mkdtempSync(join(tmpdir(), 'sealgate-paths-'))
after(() => rmSync(root, { recursive: true }))

const pathOf = (key: string, platform = 'linux') => namesOf(key, platform).join('/')

/** Keys as an attacker would choose them. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        '%',
        '%2',
        '2F',
        '%2F',
        '%2E',
        '\0',
        '\n',
        '\\',
        'a',
        '/',
        'é',
        'e\u0301',
        '~',
      ),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))
  .filter((key) => key !== '' && key.isWellFormed())

describe('a key as a path', () => {
  it('is most often the key', () => {
    for (const key of [
      'cat.jpg',
      '2024/cat 1.jpg',
      'a/.hidden/...',
      '100%',
      'ünï/日本',
      '~/x',
      'a\\b',
      '-rf',
      '%zz',
    ])
      assert.equal(pathOf(key), key)
  })

  it('is another where the key would lead elsewhere, or cannot be', () => {
    const paths: readonly (readonly [string, string])[] = [
      ['../../etc/passwd', '%2E%2E/%2E%2E/etc/passwd'],
      ['/etc/passwd', '%2F/etc/passwd'],
      ['a//b', 'a/%2F/b'],
      ['a/./b', 'a/%2E/b'],
      ['a/', 'a/%2F'],
      ['%2F', '%252F'],
      ['%2e%2e/x', '%252e%252e/x'],
      ['a\0b\nc\u009b', 'a%00b%0Ac%C2%9B'],
    ]
    for (const [key, path] of paths) assert.equal(pathOf(key), path)
    assert.equal(pathOf('con.txt/a:b/c.', 'win32'), '%63on.txt/a%3Ab/c%2E')
    assert.equal(pathOf('a\\..\\b', 'win32'), 'a%5C..%5Cb')
  })

  it('stays within what a file system takes, and tells long keys apart', () => {
    const long = `${'ä'.repeat(300)}`
    const names = [long, `${long}x`].map((key) => pathOf(key))
    assert.notEqual(names[0], names[1])
    for (const name of names) assert.ok(Buffer.byteLength(name) <= 255)
    const deep = '\u0001/'.repeat(500)
    assert.ok(pathOf(deep).length <= 3000)
    assert.equal(namesOf(deep, 'darwin').length, 1)
    assert.notEqual(pathOf(deep, 'darwin'), pathOf(`${deep}x`, 'darwin'))
  })

  it('never leads out of its directory, and no two keys lead to one place', () => {
    fc.assert(
      fc.property(hostile, hostile, (a, b) => {
        const path = resolve('/base/dir', pathOf(a))
        assert.ok(path.startsWith(`/base/dir${sep}`), path)
        assert.equal(path, `/base/dir/${pathOf(a)}`)
        assert.doesNotMatch(path, /\p{Cc}/u)
        if (a !== b) assert.notEqual(pathOf(a), pathOf(b))
        assert.notEqual(asideOf(namesOf(a).at(-1) ?? ''), namesOf(b).at(-1))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('places on a disk', () => {
  it('are found for a and a/b, whichever comes first, and again in the next run', () => {
    const directory = join(root, 'conflicts')
    const run = () => {
      const places = new Places(directory)
      return ['a', 'a/b', 'c/d', 'c'].map((key) => {
        const place = places.place(key, 1)
        if (place.present === null) writeFileSync(place.path, 'x')
        places.done(place.path)
        return place
      })
    }
    const first = run()
    assert.equal(new Set(first.map(({ path }) => path)).size, 4)
    assert.deepEqual(
      first.map(({ renamed, present }) => [renamed, present]),
      [
        [false, null],
        [true, null],
        [false, null],
        [true, null],
      ],
    )
    const second = run()
    assert.deepEqual(
      second.map(({ path, present }) => [path, present?.size]),
      first.map(({ path }) => [path, 1]),
    )
    assert.deepEqual(readdirSync(directory).sort(), ['a', asideOf('a'), 'c', asideOf('c')].sort())
  })

  it('know a file that is still being written', () => {
    const places = new Places(join(root, 'coming'))
    const file = places.place('a', 1)
    const inside = places.place('a/b', 1)
    assert.ok(!inside.path.startsWith(`${file.path}/`))
  })

  it('are directories for empty objects that end in a slash, and files for others', () => {
    const directory = join(root, 'markers')
    const places = new Places(directory)
    const [empty, full, top] = [places.place('x/y/', 0), places.place('x/z/', 5), places.place('', 0)]
    assert.deepEqual([empty.isDirectory, full.isDirectory, top.isDirectory], [true, false, true])
    assert.ok(existsSync(join(directory, 'x/y')))
    assert.equal(full.path, join(directory, 'x/z/%2F'))
    assert.equal(top.path, directory)
  })

  it('leave a symbolic link to its owner, and stay below the directory', () => {
    const directory = join(root, 'links')
    mkdirSync(join(root, 'elsewhere'))
    mkdirSync(directory)
    symlinkSync(join(root, 'elsewhere'), join(directory, 'linked'))
    const places = new Places(directory)
    assert.equal(places.place('linked/x', 1).path, join(directory, 'linked/x'))
    assert.equal(places.place('../x', 1).path, join(directory, '%2E%2E/x'))
  })
})
