/**
 * ULIDs: 26 characters, sorted by the millisecond they were made in, 80 random bits. Time and chance are
 * given.
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const MAX_TIME = 2 ** 48 - 1

/**
 * `wallMs`: Unix milliseconds (clamped to 48 bits); `random(n)`: n random bytes, such as crypto.randomBytes.
 */
export function ulid(wallMs: number, random: (count: number) => Buffer): string {
  let time = Math.min(Math.max(Math.floor(wallMs), 0), MAX_TIME)
  let head = ''
  for (let i = 0; i < 10; i++) {
    head = ALPHABET[time % 32] + head
    time = Math.floor(time / 32)
  }
  let bits = BigInt(`0x${random(10).toString('hex')}`)
  let tail = ''
  for (let i = 0; i < 16; i++) {
    tail = ALPHABET[Number(bits & 31n)] + tail
    bits >>= 5n
  }
  return head + tail
}

/** True for text that `ulid` could have made. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text)
}
