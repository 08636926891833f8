import assert from 'node:assert/strict'

/** Tells what happens step by step, and stops at the first thing that is not as it was told. */
export class Story {
  #steps = 0
  #checks = 0

  async step(title: string, act: () => Promise<void>): Promise<void> {
    this.#steps += 1
    console.log(`\n${this.#steps}. ${title}`)
    await act()
  }

  /** Something to look at. */
  show(name: string, value: string): void {
    console.log(`   ${name.padEnd(34)} ${value}`)
  }

  /** Something that must be so. */
  check(statement: string, holds: boolean): void {
    assert.ok(holds, `not so: ${statement}`)
    this.#checks += 1
    console.log(`   ✓ ${statement}`)
  }

  end(): void {
    console.log(`\n${this.#steps} steps, ${this.#checks} checks: all as told.`)
  }
}
