import { storageConformance } from '../conformance/storage.ts'
import { COS_DIFFERENCES, openCos } from '../lib/cos-store.ts'

storageConformance('cos', () => openCos(), COS_DIFFERENCES)
