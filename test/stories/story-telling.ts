/**
 * How a story tells what happened: one line for each event of the journal, one for each module whose state is
 * another than before. Leaves out what differs between hosts or says nothing here.
 */
import { type Child, stateOf } from '../../src/core/child.ts'
import { formatDuration, type Instant } from '../../src/core/time.ts'
import type { FleetEvent } from '../../src/core/view.ts'

/** `evidence` and `changes` are told in their own words; each adopted run has its own event. */
const LEFT_OUT = new Set([
  'core',
  'oom',
  'evidence',
  'log_offset',
  'uptime_s',
  'version',
  'adopted',
  'changes',
])

/** A process as the story calls it; null: the story does not speak of it. */
export type PidNames = (pid: number) => number | null

/** `started luka pid=101 start_reason=boot attempt=0` */
export function tellEvent(event: FleetEvent, pids: PidNames): string {
  const { data } = event
  const facts = Object.entries(data)
    .filter(([key, value]) => !LEFT_OUT.has(key) && value !== null)
    .filter(([key, value]) => key !== 'known' || value === false)
    .map(([key, value]) => [key, key === 'pid' ? pids(value as number) : value])
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}=${tellValue(value)}`)
  const evidence = event.kind === 'exited' && data.evidence !== 'wait' ? [`evidence=${data.evidence}`] : []
  const changes = Array.isArray(data.changes) ? data.changes.map(tellChange) : []
  return [event.kind, event.module, ...facts, ...evidence, ...changes].filter(word => word !== null).join(' ')
}

function tellValue(value: unknown): string {
  return typeof value === 'string' && /[\s"]/.test(value) ? JSON.stringify(value) : String(value)
}

function tellChange(change: { module: string; change: string; reason: string }): string {
  return `${change.module}:${change.change}(${change.reason})`
}

/** `luka: backoff, starts in 3s (exit 3)` */
export function tellChild(name: string, child: Child, now: Instant, pids: PidNames): string {
  const { run, nextStart } = child
  const lives = run !== null && run.exit === null && run.pid !== null
  return [
    `${name}: ${stateOf(child)}`,
    lives ? `, pid ${pids(run.pid as number)}` : '',
    child.health === 'unknown' ? '' : `, ${child.health}`,
    nextStart ? `, starts in ${inSeconds(nextStart.monoMs - now.monoMs)}` : '',
    child.reason && child.reason !== stateOf(child) ? ` (${child.reason})` : '',
  ].join('')
}

/** Whole tenths of a second: what takes a millisecond in the simulation takes no time in a story. */
export function inSeconds(delayMs: number): string {
  const tenths = Math.max(0, Math.round(delayMs / 100))
  return tenths % 10 === 0 ? formatDuration(tenths * 100) : `${tenths / 10}s`
}
