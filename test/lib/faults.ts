import type { Storage } from '../../src/storage/storage.ts'

type Fault = (call: () => Promise<unknown>) => Promise<unknown>

/** A real store, in whose way something can be put: the next call of a method, and only that, becomes `fault(call)`. */
export class FaultyStorage {
  readonly #faults = new Map<keyof Storage, Fault>()

  readonly wrap = (storage: Storage): Storage =>
    new Proxy(storage, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          const call = () => value.apply(target, args) as Promise<unknown>
          const fault = this.#faults.get(name as keyof Storage)
          if (fault === undefined) return call()
          this.#faults.delete(name as keyof Storage)
          return fault(call)
        }
      },
    })

  /** Faults that were not met are forgotten. */
  clear(): void {
    this.#faults.clear()
  }

  once(method: keyof Storage, fault: Fault): void {
    this.#faults.set(method, fault)
  }
}
