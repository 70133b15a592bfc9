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
  const bytes = random(10)
  return head + fiveBytes(bytes, 0) + fiveBytes(bytes, 5)
}

/** 40 bits as eight characters: numbers up to 2^53 are exact, and much faster than a BigInt. */
function fiveBytes(bytes: Buffer, from: number): string {
  let bits = bytes.readUIntBE(from, 5)
  let text = ''
  for (let i = 0; i < 8; i++) {
    text = ALPHABET[bits % 32] + text
    bits = Math.floor(bits / 32)
  }
  return text
}

/** True for text that `ulid` could have made. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text)
}
