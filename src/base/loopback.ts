/** True if what is sent to this address stays on this machine: the only way on which plain HTTP shows nothing to anybody. */
export function isLoopback(url: string): boolean {
  return /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?\/?$/i.test(url)
}
