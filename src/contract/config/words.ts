/**
 * Splits a command line into words as a POSIX shell does (quotes and backslashes), and expands nothing: no
 * variables, globs, pipes or redirections. Whoever wants those asks for a shell.
 */

/** Throws a plain Error with a sentence on an open quote, a trailing backslash or a shell operator. */
export function splitWords(line: string): string[] {
  const words: string[] = []
  let word: string | null = null
  let index = 0
  while (index < line.length) {
    const char = line[index] as string
    if (char === "'" || char === '"') {
      const [text, end] = char === "'" ? singleQuoted(line, index) : doubleQuoted(line, index)
      word = (word ?? '') + text
      index = end
    } else if (char === '\\') {
      if (index + 1 >= line.length) throw new Error('it ends in a backslash')
      // A backslash before the end of a line joins both lines.
      if (line[index + 1] !== '\n') word = (word ?? '') + line[index + 1]
      index += 2
    } else if (/[ \t\r\n]/.test(char)) {
      if (word !== null) words.push(word)
      word = null
      index += 1
    } else if ('|&;<>()`'.includes(char)) {
      throw new Error(`\`${char}\` is for a shell, and none runs`)
    } else {
      word = (word ?? '') + char
      index += 1
    }
  }
  if (word !== null) words.push(word)
  return words
}

function singleQuoted(line: string, start: number): [string, number] {
  const end = line.indexOf("'", start + 1)
  if (end < 0) throw new Error("a ' is never closed")
  return [line.slice(start + 1, end), end + 1]
}

function doubleQuoted(line: string, start: number): [string, number] {
  let text = ''
  for (let index = start + 1; index < line.length; index++) {
    const char = line[index] as string
    if (char === '"') return [text, index + 1]
    const next = line[index + 1]
    if (char === '\\' && next !== undefined && '"\\$`\n'.includes(next)) {
      if (next !== '\n') text += next
      index += 1
    } else {
      text += char
    }
  }
  throw new Error('a " is never closed')
}

/** A word as a shell must see it to give it back unchanged. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
