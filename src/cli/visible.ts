/**
 * Text that a module, a file or the network gave us, made safe to print: every control byte is shown as an
 * escape, so that no log line can move the cursor, rename the window, reorder text or hide what stands
 * beside it. Never loses a character: what is escaped can be read back.
 */

// C0 but tab, DEL, C1 (with the 8-bit CSI and OSC), bidirectional overrides and isolates, line separators.
const UNSAFE = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** One line of text, safe for a terminal. Tabs stay; a newline becomes `\n`. */
export function visible(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** As `visible`, with tabs as one space: for table cells. */
export function visibleCell(text: string): string {
  return visible(text.replaceAll('\t', ' '))
}

function escaped(char: string): string {
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  const code = char.charCodeAt(0)
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}
