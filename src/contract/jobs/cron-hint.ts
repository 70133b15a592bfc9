/**
 * What to write instead of a cron line that is refused, or that does not do what it seems to say. Knows the
 * usual spellings of other crons; says nothing where it would guess.
 */
const TOPS: Readonly<Record<string, number>> = {
  second: 59,
  minute: 59,
  hour: 23,
  day: 31,
  month: 12,
  weekday: 6,
}
const FIELDS = ['minute', 'hour', 'day', 'month', 'weekday']
const KNOWN = '@hourly, @daily, @midnight, @weekly, @monthly, @yearly'

/** For a line that croner refuses. */
export function cronHint(line: string): string | null {
  if (line.trim() === '@reboot') return 'a module starts with the fleet: make it `kind: task`'
  if (/^@every\b/.test(line.trim())) return 'write `every:` instead of `schedule:`, e.g. `every: 90s`'
  if (line.trim().startsWith('@')) return `known: ${KNOWN}`
  for (const [name, field] of named(line)) {
    const wrapped = /^(\d+)-(\d+)$/.exec(field)
    if (wrapped && Number(wrapped[1]) > Number(wrapped[2])) {
      const [from, to, first] = [wrapped[1], wrapped[2], name === 'day' || name === 'month' ? 1 : 0]
      return `a range does not wrap around: write \`${from}-${TOPS[name]},${first}-${to}\``
    }
    const stepped = /^(\d+)\/(\d+)$/.exec(field)
    if (stepped) return `a step needs a range: write \`${stepped[1]}-${TOPS[name]}/${stepped[2]}\``
    if (/^\/\d+$/.test(field)) return `a step needs a range: write \`*${field}\``
    if (/^L-\d+$/i.test(field)) return 'days before the last one cannot be counted: `L` and `LW` stand alone'
  }
  return null
}

/** Steps that do not divide their field: `*\/7` minutes is 0, 7 ... 56, and then 0 again. */
export function unevenStep(line: string): { readonly message: string; readonly hint: string } | null {
  const sizes: Readonly<Record<string, number>> = { second: 60, minute: 60, hour: 24 }
  for (const [name, field] of named(line)) {
    const step = Number(/^(?:\*|0-\d+)\/(\d+)$/.exec(field)?.[1])
    const size = sizes[name]
    if (!(step > 0) || size === undefined || size % step === 0) continue
    const message = `\`${field}\` is not every ${step} ${name}s: after ${size - (size % step)} comes 0 again`
    return { message, hint: `write \`every: ${step}${name.charAt(0)}\` if the distance is what counts` }
  }
  return null
}

/** The fields with their names, lists taken apart. */
function named(line: string): [name: string, field: string][] {
  const fields = line.trim().split(/\s+/)
  const names = fields.length === 6 ? ['second', ...FIELDS] : FIELDS
  return fields.flatMap((field, index): [string, string][] =>
    field.split(',').map(one => [names[index] ?? 'weekday', one]),
  )
}
