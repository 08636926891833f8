import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation from growing. Bodies pass through in buffers that live for an instant, and V8 frees them only
 * when it collects the young generation, whose size decides how many of them pile up first: without this a 5 GiB upload
 * takes 60 MiB more memory, at the same speed (docs/performance.md). Read by V8 at each growth, so it may be set at run time.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
