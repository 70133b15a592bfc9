/** What MARK says, line by line. Unknown types and broken lines are null: MARK may be newer. Never throws. */
import type { HaltLevel, MarkMessage } from '../contract/module.ts'

const HALTS: readonly unknown[] = [null, 'pause', 'halt', 'flatten']

export function parseMarkLine(line: string): MarkMessage | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const said = value as Record<string, unknown>
  const reason = typeof said.reason === 'string' ? { reason: said.reason } : {}
  switch (said.type) {
    case 'welcome':
      return welcome(said)
    case 'pong':
      return isNumber(said.id) && isNumber(said.ts) ? { type: 'pong', id: said.id, ts: said.ts } : null
    case 'pause':
      return { type: 'pause', ...reason }
    case 'resume':
      return { type: 'resume' }
    case 'halt':
      // A level that this version does not know is no milder than halt.
      return { type: 'halt', level: said.level === 'flatten' ? 'flatten' : 'halt', ...reason }
    case 'activate':
      return { type: 'activate' }
    default:
      return null
  }
}

function welcome(said: Record<string, unknown>): MarkMessage | null {
  const { v, fleet, module, run_id, ts } = said
  if (v !== 1) return null
  const halt = said.halt === undefined ? null : HALTS.includes(said.halt) ? said.halt : 'halt'
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    type: 'welcome',
    v: 1,
    fleet: text(fleet),
    module: text(module),
    run_id: text(run_id),
    halt: halt as HaltLevel | null,
    ts: isNumber(ts) ? ts : 0,
  }
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value)
}
