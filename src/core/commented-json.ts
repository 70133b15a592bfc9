/**
 * JSON as people write it for bots: with comments and commas before a closing bracket. Pure. Promises the
 * offset of every fault in the text as it was given; never guesses what a broken text meant.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** `offset` counts in the given text; -1 when it is not known. */
export type Parsed = { readonly value: Json } | { readonly fault: string; readonly offset: number }

const BLANKED =
  /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|,(?=(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*[}\]])/g

export function parseCommentedJson(text: string): Parsed {
  try {
    return { value: JSON.parse(plainJson(text)) as Json }
  } catch (error) {
    const { message } = error as Error
    const at = /\bposition (\d+)/.exec(message)?.[1]
    const offset = at === undefined ? (/end of JSON/.test(message) ? text.length : -1) : Number(at)
    // V8 quotes the text around a fault, and what stands there may be a key of an exchange.
    return {
      fault: /end of JSON|Unterminated/.test(message) ? 'it ends too early' : 'it is not JSON',
      offset,
    }
  }
}

/** Comments and trailing commas become blanks: nothing moves. */
export function plainJson(text: string): string {
  return text.replace(BLANKED, part => (part.startsWith('"') ? part : part.replace(/[^\n]/g, ' ')))
}

/** Lines and columns from 1, of an offset; of -1, the beginning. */
export function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, Math.max(0, offset)).split('\n')
  return { line: before.length, column: (before.at(-1) as string).length + 1 }
}
