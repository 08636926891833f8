import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { loadConfig } from '../../src/config/config.ts'

const root = join(import.meta.dirname, '../..')
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const { version } = JSON.parse(read('package.json')) as { version: string }

interface Container {
  readonly name: string
  readonly image: string
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly securityContext?: { readonly readOnlyRootFilesystem?: boolean }
}
interface Manifest {
  readonly kind: string
  readonly spec: { readonly template: { readonly spec: PodSpec } }
}
interface PodSpec {
  readonly enableServiceLinks?: boolean
  readonly securityContext: { readonly fsGroup?: number; readonly fsGroupChangePolicy?: string }
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
}

it('every YAML of deploy is well-formed, and every variable in it exists', () => {
  const files = globSync('deploy/**/*.yaml', { cwd: root })
  assert.equal(files.length, 3)
  for (const file of files) {
    for (const document of parseAllDocuments(read(file))) {
      assert.ok('errors' in document)
      assert.deepEqual(document.errors, [], file)
    }
  }
  for (const file of [...files, 'deploy/sealgate.service', 'Dockerfile']) {
    for (const [variable] of read(file).matchAll(/SEALGATE_[A-Z_]+/g)) {
      const value = { SEALGATE_LISTEN: '0.0.0.0:9000' }[variable] ?? 'sixteen-characters'
      const both = { SEALGATE_ACCESS_KEY_ID: 'AKID', SEALGATE_SECRET_ACCESS_KEY: 'sixteen-characters' }
      assert.doesNotThrow(() => loadConfig(undefined, { ...both, [variable]: value }), `${file}: ${variable}`)
    }
  }
})

it('pods run this version on a read-only tree, and keep the keyring from the group', () => {
  const pods = globSync('deploy/kubernetes/*.yaml', { cwd: root })
    .flatMap((file) => parseAllDocuments(read(file)))
    .map((document) => ('toJS' in document ? (document.toJS() as Manifest) : assert.fail('no document')))
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map(({ spec }) => spec.template.spec)
  assert.equal(pods.length, 2)
  for (const pod of pods) {
    const gateway = [...pod.containers, ...(pod.initContainers ?? [])].find(({ name }) => name === 'sealgate')
    assert.equal(gateway?.image, `sealgate:${version}`)
    assert.equal(gateway.securityContext?.readOnlyRootFilesystem, true)
    assert.equal(pod.securityContext.fsGroupChangePolicy, 'OnRootMismatch')
    assert.equal(pod.enableServiceLinks, false)
  }
})
