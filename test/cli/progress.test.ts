import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatBytes, Progress, type ProgressOptions } from '../../src/cli/progress.ts'

function terminal(isTTY = true, columns = 100) {
  let text = ''
  return {
    isTTY,
    columns,
    write: (more: string) => {
      text += more
    },
    get text() {
      return text
    },
    /** What a reader of the last line sees. */
    get shown() {
      return text.slice(text.lastIndexOf('\x1b[K') + 3)
    },
  }
}

function start(options: Partial<ProgressOptions> = {}) {
  const clock = { ms: 0 }
  const screen = terminal(true, 100)
  const progress = new Progress({
    label: 'cat.jpg',
    unit: 'bytes',
    terminal: screen,
    now: () => clock.ms,
    ...options,
  })
  return { clock, screen, progress }
}

describe('a progress bar', () => {
  it('shows share, rate and time left, and is gone at the end', () => {
    const { clock, screen, progress } = start({ total: 100 * 1024 })
    clock.ms = 1000
    progress.advance(25 * 1024)
    assert.equal(
      screen.shown,
      'cat.jpg [######------------------]  25%  25 KiB of 100 KiB  25 KiB/s  0:03 left',
    )
    progress.end()
    assert.equal(screen.shown, '')
  })

  it('counts what has no total yet, and takes one later', () => {
    const { clock, screen, progress } = start({ unit: 'objects', label: 'photos' })
    clock.ms = 500
    progress.advance(3)
    assert.equal(screen.shown, 'photos  3 objects  6.0/s')
    clock.ms = 1000
    progress.note = 'of two buckets'
    progress.total = 6
    assert.equal(
      screen.shown,
      'photos [############------------]  50%  3/6  3.0/s  0:01 left  of two buckets',
    )
  })

  it('is drawn ten times a second at most, and keeps within the line', () => {
    const { clock, screen, progress } = start({ total: 1000, label: 'x'.repeat(200) })
    for (clock.ms = 0; clock.ms < 1000; clock.ms++) progress.advance(1)
    assert.ok(screen.text.split('\r').length <= 12)
    assert.equal(screen.shown.length, 99)
    assert.match(screen.shown, /^…xxx/)
  })

  it('lets lines stand above it, and draws nothing where there is no terminal', () => {
    const { clock, screen, progress } = start({ total: 10 })
    clock.ms = 200
    progress.advance(5)
    progress.say('one failed')
    assert.ok(screen.text.includes('\r\x1b[Kone failed\n\r\x1b[Kcat.jpg ['))
    const file = terminal(false)
    const quiet = new Progress({ label: 'a', unit: 'bytes', total: 1, terminal: file })
    quiet.advance(1)
    quiet.say('one failed')
    quiet.end()
    assert.equal(file.text, 'one failed\n')
  })

  it('counts an empty whole as done', () => {
    const { clock, screen, progress } = start({ total: 0 })
    clock.ms = 200
    progress.advance(0)
    assert.match(screen.shown, /100%/)
  })
})

describe('bytes for people', () => {
  it('has a unit that fits', () => {
    const figures: readonly (readonly [number, string])[] = [
      [0, '0 bytes'],
      [1, '1 byte'],
      [1023, '1023 bytes'],
      [1024, '1.0 KiB'],
      [10 * 1024, '10 KiB'],
      [1.5 * 1024 ** 3, '1.5 GiB'],
      [48 * 1024 ** 4, '48 TiB'],
      [5000 * 1024 ** 4, '5000 TiB'],
    ]
    for (const [bytes, text] of figures) assert.equal(formatBytes(bytes), text)
  })
})
