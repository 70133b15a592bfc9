/**
 * What an outcome of a run means to whoever asked for it: it goes on, it did its work, it failed, or it was
 * never to run. Every outcome stands here.
 */
import type { Outcome } from './jobs/job-row.ts'

export type OutcomeKind = 'open' | 'good' | 'bad' | 'not_run'

const KINDS: Readonly<Record<Outcome, OutcomeKind>> = {
  waiting: 'open',
  running: 'open',
  succeeded: 'good',
  failed: 'bad',
  timed_out: 'bad',
  cancelled: 'bad',
  lost: 'bad',
  skipped_overlap: 'not_run',
  skipped_paused: 'not_run',
  skipped_calendar: 'not_run',
  skipped_upstream: 'not_run',
  missed: 'not_run',
  refused_late: 'not_run',
  refused_kill: 'not_run',
}

export const OUTCOMES = Object.keys(KINDS) as readonly Outcome[]

/** Of an outcome that a newer MARK knows: it is over, and nobody can say that it was good. */
export function outcomeKind(outcome: Outcome): OutcomeKind {
  return KINDS[outcome] ?? 'bad'
}
