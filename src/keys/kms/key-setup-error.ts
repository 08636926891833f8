/** What the configuration says of keys and key services, and cannot be; the message says what and, where it can, what would be right. */
export class KeySetupError extends Error {
  override readonly name = 'KeySetupError'
}
