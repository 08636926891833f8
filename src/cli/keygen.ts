import { existsSync } from 'node:fs'
import { StartupError } from '../app.ts'
import { createKeyring } from '../keys/index.ts'

export function keygen(file: string): void {
  if (existsSync(file)) throw new StartupError(`${file} exists already; a keyring is never overwritten.`)
  const keyring = createKeyring(file)
  console.log(
    `${file} made, with the key ${keyring.current}. Keep a copy of it in a safe place: without it nothing that it sealed can be read.`,
  )
}
