/** One pair for clients and store alike: nothing of it leaves the machine. */
export const BENCH_KEYS = { accessKeyId: 'AKIDBENCH', secretAccessKey: 'of-no-worth-to-anyone' } as const
