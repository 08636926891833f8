/*
 * Services that are known by their hosts, whose documents count more than what is seen of them once. An address is a host or an endpoint, with or
 * without a port.
 */

/** Amazon S3. */
export function isAmazon(address: string): boolean {
  return /\.amazonaws\.com(\.cn)?(:\d+)?\/?$/i.test(address)
}

/** Tencent COS, by its names for S3's clients. */
export function isTencent(address: string): boolean {
  return /\.(myqcloud\.com|tencentcos\.cn)(:\d+)?\/?$/i.test(address)
}
