/**
 * The ways in which a secret value gets written: as it is, escaped for JSON, Python or a URL, in base64
 * (alone or inside something longer), in hexadecimal. Pure, bounded, longest first; never throws.
 */
const MIN_SECRET = 6
/** An encoded piece shorter than this stands in any text by chance. */
const MIN_ENCODED = 8
const MIN_LINE = 16
const MAX_LINES = 200
const MAX_SECRET = 64 * 1024

/** Every spelling of these values, longest first. Values shorter than six characters have none. */
export function secretSpellings(secrets: readonly string[]): readonly string[] {
  const found = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < MIN_SECRET || secret.length > MAX_SECRET || secret.trim() === '') continue
    for (const value of [secret, ...linesOf(secret)]) {
      for (const one of plainSpellings(value)) if (one.length >= MIN_SECRET) found.add(one)
      for (const one of encodedSpellings(value)) if (one.length >= MIN_ENCODED) found.add(one)
    }
  }
  return [...found].sort((a, b) => b.length - a.length)
}

/** The body of a key in a file of many lines: loggers write such lines one by one. */
function linesOf(secret: string): readonly string[] {
  if (!secret.includes('\n')) return []
  const lines = secret.split('\n').map(line => line.trim())
  return lines.filter(line => line.length >= MIN_LINE && !line.startsWith('-----')).slice(0, MAX_LINES)
}

function plainSpellings(secret: string): readonly string[] {
  const json = JSON.stringify(secret).slice(1, -1)
  const ascii = json.replace(
    /[\u007f-\uffff]/g,
    one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  const found = [secret, secret.trim(), json, ascii, JSON.stringify(json).slice(1, -1)]
  found.push(json.replaceAll('/', '\\/'), secret.replaceAll('\\', '\\\\').replaceAll("'", "\\'"))
  const url = urlEncoded(secret)
  if (url === null) return found
  const all = url.replace(/[!'()*~]/g, one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
  const form = all.replaceAll('%2A', '*')
  for (const one of [url, all, form]) found.push(one, one.replaceAll('%20', '+'), one.replaceAll('%2F', '/'))
  return [...found, ...found.slice(-9).map(one => one.replace(/%[0-9A-F]{2}/g, hex => hex.toLowerCase()))]
}

/** base64 and base64url at each of the three places in a group, without what its neighbours change; hex. */
function encodedSpellings(secret: string): readonly string[] {
  const bytes = utf8Bytes(secret)
  if (bytes === null) return []
  const found: string[] = []
  for (const before of [0, 1, 2]) {
    const coded = btoa('\0'.repeat(before) + bytes).replace(/=+$/, '')
    const rest = (before + bytes.length) % 3
    const whole = coded.slice(before === 0 ? 0 : before + 1, rest === 0 ? undefined : -1)
    found.push(whole, whole.replaceAll('+', '-').replaceAll('/', '_'))
    if (before === 0) found.push(coded, btoa(bytes), coded.replaceAll('+', '-').replaceAll('/', '_'))
  }
  const hex = Array.from(bytes, one => one.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  return [...found, hex, hex.toUpperCase()]
}

/** One character for each byte of the UTF-8; null for a lone surrogate, which has none. */
function utf8Bytes(text: string): string | null {
  const url = urlEncoded(text)
  return (
    url?.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))) ?? null
  )
}

function urlEncoded(text: string): string | null {
  try {
    return encodeURIComponent(text)
  } catch {
    return null
  }
}
