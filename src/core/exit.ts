/**
 * What an exit is, and what it means (SPEC 4, exit truth and exit contract). A signal is never a code; what
 * is not known is null and `known: false`, never invented.
 */
import type { Kind } from './plan.ts'

export interface Exit {
  readonly known: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly core: boolean | null
  readonly oom: boolean | null
  /** Which evidence told: `wait`, `zombie`, `pidfd`, `daemon`, `closing` or `none`. */
  readonly evidence: 'wait' | 'zombie' | 'pidfd' | 'daemon' | 'closing' | 'none'
  /** It ended before it was the module: why it could not become it. */
  readonly refusal?: string
}

/** `last_exit` of SPEC 4, as `mark status --json` shows it. */
export interface LastExit {
  readonly known: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly core: boolean | null
  readonly oom: boolean | null
  readonly reason: string
  readonly at: string
  readonly uptime_s: number | null
  readonly run_id: string
  readonly fingerprint: string | null
}

export type Verdict =
  | { readonly kind: 'completed' }
  | { readonly kind: 'failure' } // restart within the budget
  | { readonly kind: 'later' } // 75: at max_delay, not counted
  | { readonly kind: 'hold'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string } // never restarted by itself

export const UNKNOWN_EXIT: Exit = {
  known: false,
  code: null,
  signal: null,
  core: null,
  oom: null,
  evidence: 'none',
}

/** What an exit that nobody asked for means for a module of this kind. `latched`: a kill covers it now. */
export function judge(exit: Exit, kind: Kind, latched: boolean): Verdict {
  if (!exit.known) {
    return kind === 'task'
      ? { kind: 'failed', reason: 'lost: its exit is unknown, so it is not run again by itself' }
      : { kind: 'failure' }
  }
  switch (exit.code) {
    case 0:
      return kind === 'task' ? { kind: 'completed' } : { kind: 'failure' }
    case 75:
      return { kind: 'later' }
    case 77:
      return { kind: 'hold', reason: 'exited 77: its credentials were refused' }
    case 78:
      return { kind: 'failed', reason: 'exited 78: its configuration is wrong' }
    case 10:
      return latched ? { kind: 'hold', reason: 'exited 10: halted by the kill switch' } : { kind: 'failure' }
    case 11:
      return { kind: 'hold', reason: 'exited 11: it must reconcile before it may trade' }
    case 12:
      return { kind: 'hold', reason: 'exited 12: it asks for a person' }
    default:
      return { kind: 'failure' }
  }
}

/** One phrase for people: `exit 3`, `SIGKILL`, `exit 0 nobody asked for`, `exit unknown`. */
export function describeExit(exit: Pick<Exit, 'known' | 'code' | 'signal' | 'oom'>): string {
  if (!exit.known) return 'exit unknown'
  if (exit.signal !== null) return exit.oom ? `${exit.signal} (out of memory)` : exit.signal
  return `exit ${exit.code}`
}

/** What a last exit still tells; by which evidence it was known, the journal says. */
export function exitOf({ known, code, signal, core, oom }: LastExit): Exit {
  return { known, code, signal, core, oom, evidence: known ? 'wait' : 'none' }
}
