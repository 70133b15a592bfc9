/**
 * Takes secrets out of text before it is stored or shown: known values in every spelling they are written in
 * (see secret-spellings.ts), and what looks like a credential. Linear in the text; masks rather too much than
 * too little; redacting twice changes nothing more; never throws.
 */
import { secretSpellings } from './secret-spellings.ts'

export const MASK = '***'

/** Text that identifies itself as a credential, wherever it stands. */
const TOKENS: readonly (readonly [RegExp, string])[] = [
  [/\b(bot)?\d{5,20}(?::|%3A)AA[\w-]{20,80}/gi, `$1${MASK}`],
  [/\/bot\d{5,20}(?::|%3A)[\w-]{20,80}/gi, `/bot${MASK}`],
  [/\b(Bearer)[ \t]{1,4}(?!\*\*\*)[\w.~+/=-]{8,4096}/gi, `$1 ${MASK}`],
  [/\b(Basic|Token)[ \t]{1,4}(?=[\w.~+/-]{0,200}[\d=])[\w.~+/=-]{8,4096}/gi, `$1 ${MASK}`],
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)(?!\*\*\*@)[^\s/"'<>]{1,512}@/gi, `$1${MASK}@`],
  [/\beyJ[\w-]{8,4096}\.[\w-]{8,4096}(?:\.[\w-]{0,4096})?/g, MASK],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, MASK],
  [
    /\b(?:gh[pousr]_|github_pat_|glpat-|sk-|[sr]k_(?:live|test)_|xox[abeprs]-|npm_|pypi-)[\w-]{16,255}/g,
    MASK,
  ],
  [/\bAIza[\w-]{35}/g, MASK],
  [/(hooks\.slack\.com\/(?:services|workflows)\/)[\w/-]{8,200}/g, `$1${MASK}`],
  [/(discord(?:app)?\.com\/api\/webhooks\/\d{5,25}\/)[\w-]{8,200}/g, `$1${MASK}`],
  [/\b((?:set-)?cookie: )(?!\*\*\*)[^\r\n"']{3,8192}/gi, `$1${MASK}`],
  [
    /((?:mnemonic|seed[-_ ]?phrase)\\?["']?[ \t]{0,4}[:=][ \t]{0,4}\\?["']?)[a-z]+(?:[ ,]+[a-z]+){2,30}/gi,
    `$1${MASK}`,
  ],
]

/** `api_key`, `X-MBX-APIKEY`, `aws_secret_access_key`, `API-Sign`, `refresh_token`, `DB_PASS`. */
const WORDS = [
  ...['api[-_ ]?(?:key|secret|sign)', 'access[-_]?(?:key|sign|token)', 'listen[-_]?key', 'secret', 'token'],
  ...['passw(?:or)?d', 'pwd', '[-_]pass', 'pass[-_ ]?(?:phrase|code)', 'signature', 'bapi[-_]sign'],
  ...['private[-_ ]?key', 'authorization', 'credentials?', 'client[-_]?secret', 'session[-_]?key'],
].join('|')
const MORE_OF_NAME = '(?:[-_ ]?(?:access|key|id|value|hash|secret|token|header)){0,3}'
const QUOTE = String.raw`(?:\\{0,3}["'\x60])`
/** `=`, `:`, `%3D`, or the comma of a pair in quotes. */
const ASSIGNED = String.raw`${QUOTE}?[ \t]{0,4}(?:=>|:=|[:=]|%3D|%3A)[ \t]{0,4}`
const SEPARATOR = String.raw`(?:${ASSIGNED}|${QUOTE},[ \t]{0,2}(?=${QUOTE}))`
const SCHEME = '(?:(?:Bearer|Basic|Token)[ \\t]{1,4})?'
const IN_QUOTES = String.raw`"[^"\r\n\\]{3,4096}(?=")|'[^'\r\n\\]{3,4096}(?=')`
const VALUE = String.raw`(?:[^\s"'&,;)}\]\\]|\\(?![rnt"'\\])){3,4096}`
const NAMED = new RegExp(
  String.raw`((?:${WORDS})${MORE_OF_NAME}${SEPARATOR})(${IN_QUOTES}|${QUOTE}?${SCHEME}(?!\*\*\*)${VALUE})`,
  'gi',
)
/** `sign=` is a word of its own in many exchanges' requests, and in prose: only a long value counts. */
const SIGN = /(\bsign\\{0,3}["']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,3}["']?)[\w+/=%-]{16,4096}/gi
const FLAG =
  /(\s--?[\w-]{0,40}(?:key|secret|token|password|passphrase)[ \t]{1,4})(?!-|\*\*\*)[^\s"']{6,4096}/gi
const SECRET_NAME = new RegExp(`(?:^|[^a-z])(?:${WORDS})${MORE_OF_NAME}$`, 'i')

const KEY_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y
const ANY_KEY_END = new RegExp(KEY_END.source, 'g')
const KEY_LINE = /^[A-Za-z0-9+/=]{1,80}\r?\n$/
const KEY_MAX = 32_768

export type Redactor = (text: string) => string

/** A redactor for these secret values. Values shorter than six characters are not searched for. */
export function redactor(secrets: readonly string[]): Redactor {
  const known = secretSpellings(secrets)
  return text => {
    let clean = text
    for (const value of known) clean = clean.includes(value) ? clean.replaceAll(value, MASK) : clean
    if (clean.includes('PRIVATE KEY')) clean = withoutKeys(clean)
    for (const [pattern, mask] of TOKENS) clean = clean.replace(pattern, mask)
    return clean.replace(NAMED, maskNamed).replace(SIGN, `$1${MASK}`).replace(FLAG, `$1${MASK}`)
  }
}

/** A copy of plain data with every text in it redacted, and what is named like a secret masked. */
export function redactData(value: unknown, redact: Redactor, depth = 0): unknown {
  if (typeof value === 'string') return redact(value)
  if (value === null || typeof value !== 'object') return value
  if (depth > 20) return MASK
  if (Array.isArray(value)) return value.map(one => redactData(one, redact, depth + 1))
  const clean: Record<string, unknown> = {}
  for (const [key, one] of Object.entries(value)) {
    const hidden = typeof one === 'string' && one !== '' && SECRET_NAME.test(key)
    clean[redact(key)] = hidden ? MASK : redactData(one, redact, depth + 1)
  }
  return clean
}

/** Keeps the quote that a value begins with, so that what stood in quotes still does. */
function maskNamed(_all: string, name: string, value: string): string {
  return name + (/^\\{0,3}["'`]/.exec(value)?.[0] ?? '') + MASK
}

/** Private keys in PEM, whole or with their end lost; then those that lost their beginning. */
function withoutKeys(text: string): string {
  let clean = ''
  let at = 0
  for (const begin of text.matchAll(KEY_BEGIN)) {
    if (begin.index < at) continue
    const body = begin.index + begin[0].length
    const dashes = text.indexOf('-----', body)
    KEY_END.lastIndex = dashes
    const end = dashes < 0 || dashes - body > KEY_MAX ? null : KEY_END.exec(text)
    clean += text.slice(at, begin.index) + MASK
    at = end ? dashes + end[0].length : endOfBody(text, body)
  }
  return withoutTails(clean + text.slice(at))
}

/** Behind everything that may be the body of a key: base64 in lines. */
function endOfBody(text: string, from: number): number {
  const body = /(?:\s|\\[rn]|[A-Za-z0-9+/=]{16,})*/y
  return from + (body.exec(text.slice(from, from + KEY_MAX))?.[0].length ?? 0)
}

/** The lines above the end of a key whose beginning is not there. */
function withoutTails(text: string): string {
  let clean = ''
  let at = 0
  for (const end of text.matchAll(ANY_KEY_END)) {
    let from = end.index
    while (from > at && text[from - 1] === '\n') {
      const before = Math.max(text.lastIndexOf('\n', from - 2) + 1, at)
      if (!KEY_LINE.test(text.slice(before, from))) break
      from = before
    }
    clean += text.slice(at, from) + MASK
    at = end.index + end[0].length
  }
  return clean + text.slice(at)
}
