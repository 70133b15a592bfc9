/**
 * Takes secrets out of text before it is stored or shown: known values in every spelling they are written in,
 * and what looks like a credential. Linear in the text; masks rather too much than too little; never throws.
 */
export const MASK = '***'

/** Values shorter than this are not searched for: they would mask half of any log. */
const MIN_SECRET = 6

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\/bot\d{5,20}:[\w-]{20,80}/g, `/bot${MASK}`],
  [/\b\d{8,12}:AA[\w-]{30,40}/g, MASK],
  [/\b(Bearer|Basic|Token)\s{1,4}[\w.~+/=-]{8,4096}/gi, `$1 ${MASK}`],
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"']{1,512}@/gi, `$1${MASK}@`],
  [/\beyJ[\w-]{8,4096}\.[\w-]{8,4096}\.[\w-]{0,4096}/g, MASK],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, MASK],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|sk-|xox[abpr]-)[\w-]{16,255}/g, MASK],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,16384}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, MASK],
]

/** `api_key=...`, `"secret": "..."`, `X-MBX-APIKEY: ...`, `signature=...`. */
const NAMES = [
  ...['api[-_ ]?key', 'api[-_ ]?secret', 'secret', 'token', 'passw(?:or)?d', 'passphrase'],
  ...['signature', 'private[-_ ]?key', 'authorization'],
].join('|')
const VALUE = String.raw`(?!\*\*\*|Bearer |Basic |Token )[^\s"'&,;)}\]]{3,4096}`
const NAMED = new RegExp(String.raw`((?:${NAMES})["']?\s{0,4}[:=]\s{0,4}["']?)${VALUE}`, 'gi')

export type Redactor = (text: string) => string

/** A redactor for these secret values: raw, URL-encoded, base64 and JSON-escaped. */
export function redactor(secrets: readonly string[]): Redactor {
  const spellings = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < MIN_SECRET) continue
    for (const spelling of spellingsOf(secret)) if (spelling.length >= MIN_SECRET) spellings.add(spelling)
  }
  const known = [...spellings].sort((a, b) => b.length - a.length)
  return text => {
    let clean = text
    for (const value of known) clean = clean.replaceAll(value, MASK)
    for (const [pattern, mask] of PATTERNS) clean = clean.replace(pattern, mask)
    return clean.replace(NAMED, `$1${MASK}`)
  }
}

function spellingsOf(secret: string): string[] {
  const found = [secret, JSON.stringify(secret).slice(1, -1)]
  try {
    found.push(encodeURIComponent(secret))
  } catch {
    // a lone surrogate has no URL spelling
  }
  try {
    const coded = btoa(secret)
    found.push(coded, coded.replace(/=+$/, ''))
  } catch {
    // outside Latin-1 there is no plain base64 spelling
  }
  return found
}
