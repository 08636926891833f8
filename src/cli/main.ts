#!/usr/bin/env node
// Only this file must load under an older Node, to say so: the others import what it does not have.
const MINIMUM = 24

if (Number.parseInt(process.versions.node, 10) < MINIMUM) {
  console.error(
    `sealgate: needs Node ${MINIMUM} or newer, and this is ${process.versions.node}. In a checkout, "npm ci && npm start" brings its own.`,
  )
  process.exit(2)
}
const { run } = await import('./program.ts')
await run(process.argv)

export {}
