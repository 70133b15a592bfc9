/**
 * Plain tables and how quantities look in them. Widths are terminal columns, so that wide and combining
 * characters and colours do not shift a column. Cells must be safe to print already (visible.ts).
 */
import { createRequire } from 'node:module'

/** Texts of one column a character: ASCII and the signs that MARK prints itself; colours have no width. */
const PLAIN = /^[\x20-\x7e·–…↻■○◌●◒◔✓✗]*$/
const COLOR = /\x1b\[[0-9;]*m/g

let measure: ((text: string) => number) | null = null

/** Terminal columns. The tables of Unicode take as long to load as all else here: only for who needs them. */
function stringWidth(text: string): number {
  const bare = text.replace(COLOR, '')
  if (PLAIN.test(bare)) return bare.length
  measure ??= (createRequire(import.meta.url)('string-width') as typeof import('string-width')).default
  return measure(bare)
}

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/**
 * Lines of a table; the last column is cut with an ellipsis where a line would pass `width` (null: never
 * cut).
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | null,
): string[] {
  const all = [columns.map(column => column.title), ...rows]
  const widths = columns.map((_column, at) => Math.max(...all.map(row => stringWidth(row[at] ?? ''))))
  const last = columns.length - 1
  const before = widths.slice(0, last).reduce((sum, size) => sum + size + 2, 0)
  const room = width === null ? Number.POSITIVE_INFINITY : Math.max(width - before, 12)
  return all.map(row => {
    const cells = columns.map((column, at) => {
      const cell = row[at] ?? ''
      return at === last ? cut(cell, room) : pad(cell, widths[at] as number, column.align ?? 'left')
    })
    return cells.join('  ').trimEnd()
  })
}

/** Pads to a number of terminal columns. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const gap = ' '.repeat(Math.max(0, width - stringWidth(text)))
  return align === 'left' ? text + gap : gap + text
}

/** Cuts to a number of terminal columns, marked with `…`; coloured text that fits is left alone. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let out = ''
  for (const char of text.replace(COLOR, '')) {
    if (stringWidth(out + char) > width - 1) break
    out += char
  }
  return `${out}…`
}

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
]

/** A span for people, two units at most: `3d 4h`, `5m 7s`, `0s`; null is `-`. */
export function span(seconds: number | null): string {
  if (seconds === null) return '-'
  let left = Math.max(0, Math.floor(seconds))
  if (left === 0) return seconds > 0 && seconds < 1 ? `${Math.round(seconds * 1000)}ms` : '0s'
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size)
    left -= count * size
    if (count > 0) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.join(' ')
}

/** `12M`, `1.4G`; null is `-`. */
export function bytes(count: number | null): string {
  if (count === null) return '-'
  let value = count
  for (const unit of ['', 'K', 'M', 'G']) {
    if (value < 1024)
      return value < 10 && unit !== '' ? `${value.toFixed(1)}${unit}` : `${Math.round(value)}${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)}T`
}

/** `3.2%`; null is `-`. */
export function percent(value: number | null): string {
  if (value === null) return '-'
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}%`
}

/** `HH:MM:SS` of the local day. */
export function clockTime(wallMs: number): string {
  const at = new Date(wallMs)
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map(part => String(part).padStart(2, '0'))
    .join(':')
}
