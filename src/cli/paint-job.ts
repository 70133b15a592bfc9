/**
 * How states of jobs and outcomes of runs look: always a sign and the word, and a colour where there is one.
 */
import type { Outcome } from '../core/jobs/job-row.ts'
import type { JobView } from '../core/jobs/ledger-row.ts'
import { type OutcomeKind, outcomeKind } from '../core/outcome-kind.ts'
import type { Paint, Style } from './paint.ts'

type Look = readonly [sign: string, style: Style]

const STATES: Readonly<Record<JobView['state'], Look>> = {
  idle: ['○', 'dim'],
  waiting: ['◌', 'yellow'],
  running: ['●', 'green'],
  paused: ['■', 'yellow'],
}

const OUTCOMES: Readonly<Record<OutcomeKind, Look>> = {
  open: ['◌', 'yellow'],
  good: ['✓', 'green'],
  bad: ['✗', 'red'],
  not_run: ['–', 'yellow'],
}

export function paintJobState(paint: Paint, state: JobView['state']): string {
  const [sign, style] = STATES[state] ?? ['?', 'dim']
  return paint(style, `${sign} ${state}`)
}

export function paintOutcome(paint: Paint, outcome: Outcome): string {
  const [sign, style] = outcome === 'running' ? STATES.running : OUTCOMES[outcomeKind(outcome)]
  return paint(style, `${sign} ${outcome}`)
}
