import { LRUCache } from 'lru-cache'
import type { Footer } from '../envelope/index.ts'

/** Footers that were opened, by what is authentic about their object, never by names or ETags, which the store chooses. Bounded in bytes and age. */
export class FooterCache extends LRUCache<string, Footer> {
  constructor() {
    super({
      maxSize: 4 * 1024 * 1024,
      sizeCalculation: (footer) => 256 + footer.parts.length * 128,
      ttl: 10 * 60 * 1000,
    })
  }
}
