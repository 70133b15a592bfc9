/**
 * A clock that was ahead and was set back: what was decided under it is decided, and a job runs nothing until
 * then. Here is what is said of it.
 */
import { formatUtc } from '../time.ts'
import type { JobBook } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'

/** A clock that is set right by less is nothing to speak of. */
const AHEAD_MS = 10 * 60_000

/** null: the job runs on time, or no clock decides when it runs. */
export function aheadText({ name, schedule }: JobPlan, book: JobBook, nowMs: number): string | null {
  const untilMs = book.memory(name).decided_ms ?? nowMs
  if (schedule.kind === 'none' || schedule.kind === 'after' || untilMs <= nowMs + AHEAD_MS) return null
  const until = formatUtc(untilMs)
  const order = `\`mark job resume ${name}\` lets it run again from now on`
  return `runs nothing before ${until}: the clock was ahead until then; ${order}`
}
