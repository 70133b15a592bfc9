/**
 * JSON as people write it for bots: with comments and commas before a closing bracket. Pure. Promises the
 * offset of every fault in the text as it was given; never guesses what a broken text meant.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** `offset` counts in the given text. */
export type Parsed = { readonly value: Json } | { readonly fault: string; readonly offset: number }

const COMMENT = String.raw`\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\/`
const TEXT = String.raw`"(?:[^"\\\n]|\\.)*"`
const BLANKED = new RegExp(String.raw`${TEXT}|${COMMENT}|,(?=(?:\s|${COMMENT})*[}\]])`, 'g')
const TOKEN = new RegExp(String.raw`\s+|${TEXT}|-?\d[\d.eE+-]*|true|false|null|[[\]{},:]`, 'y')

export function parseCommentedJson(text: string): Parsed {
  try {
    return { value: JSON.parse(plainJson(text)) as Json }
  } catch (error) {
    // V8 quotes the text around a fault, and what stands there may be a key of an exchange.
    const { message } = error as Error
    const at = /\bposition (\d+)/.exec(message)?.[1]
    const offset = at === undefined ? oddOffset(plainJson(text)) : Number(at)
    return { fault: offset >= text.trimEnd().length ? 'it ends too early' : 'it is not JSON', offset }
  }
}

/** Of the first character that begins no word of JSON. */
function oddOffset(text: string): number {
  let offset = 0
  TOKEN.lastIndex = 0
  while (TOKEN.test(text)) offset = TOKEN.lastIndex
  return offset
}

/** Comments and trailing commas become blanks: nothing moves. */
export function plainJson(text: string): string {
  return text.replace(BLANKED, part => (part.startsWith('"') ? part : part.replace(/[^\n]/g, ' ')))
}

/** Lines and columns from 1. */
export function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1) as string).length + 1 }
}
