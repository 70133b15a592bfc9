/**
 * The oracle's own reading of events.journal and its rolled segments: `<crc32, 8 hex digits> <json>` a line.
 * Damage is counted, not skipped over in silence; the same number twice is one event only if it says the
 * same.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

export interface JournalEvent {
  readonly seq: number
  readonly at: string
  readonly kind: string
  readonly module: string | null
  readonly run_id: string | null
  readonly data: Readonly<Record<string, unknown>>
}

export interface Journal {
  readonly events: readonly JournalEvent[]
  readonly problems: readonly string[]
  readonly ids: ReadonlySet<string>
}

export function readJournal(stateDir: string): Journal {
  const names = readdirSync(stateDir).filter(name => /^events\.journal(?:\.\d+)?$/.test(name))
  const first = (name: string): number => Number(/\d+$/.exec(name)?.[0] ?? Number.POSITIVE_INFINITY)
  names.sort((a, b) => first(a) - first(b))
  const events = new Map<number, JournalEvent>()
  const problems: string[] = []
  const ids = new Set<string>()
  let lastSeq = 0
  for (const name of names) {
    const lines = readFileSync(join(stateDir, name), 'utf8').split('\n')
    if (lines.pop() !== '') problems.push(`${name} ends within a line`)
    for (const [index, line] of lines.entries()) {
      const record = parse(line)
      if (record === null) problems.push(`${name}:${index + 1} is damaged: ${line.slice(0, 80)}`)
      if (record === null) continue
      ids.add(String(record.journal_id))
      if ('journal' in record) continue
      const event = record as unknown as JournalEvent
      const twin = events.get(event.seq)
      if (twin && JSON.stringify(twin) !== JSON.stringify(event))
        problems.push(`two events have number ${event.seq}`)
      if (!twin && event.seq <= lastSeq) problems.push(`${name}: number ${event.seq} comes after ${lastSeq}`)
      lastSeq = Math.max(lastSeq, event.seq)
      events.set(event.seq, event)
    }
  }
  return { events: [...events.values()], problems, ids }
}

function parse(line: string): Record<string, unknown> | null {
  const json = line.slice(9)
  if (line[8] !== ' ' || Number.parseInt(line.slice(0, 8), 16) !== crc32(json)) return null
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch {
    return null
  }
}
