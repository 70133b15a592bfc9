/**
 * What the daemon found or did, told to the keeper: redacted, and not waited for. What the keeper did not
 * take goes to the daemon's log; levels are told again when the link is new.
 */
import type { Ask, NotedKind } from '../contract/keeper.ts'
import type { StaleMove } from '../core/child.ts'
import { type Redactor, redactData } from '../core/redact.ts'
import type { Found } from './run-verdicts.ts'

export interface KeeperReportsDeps {
  readonly ask: (ask: Ask) => Promise<unknown>
  readonly redact: Redactor
  readonly say: (line: string) => void
}

export class KeeperReports {
  readonly #deps: KeeperReportsDeps

  constructor(deps: KeeperReportsDeps) {
    this.#deps = deps
  }

  found(module: string, runId: string, found: Found, reason: string): void {
    this.#send({ ask: 'probed', module, run_id: runId, found, reason: this.#deps.redact(reason) })
  }

  /** A rung of the ladder, for a run that goes on being stale. */
  move(module: string, runId: string, move: StaleMove, reason: string): void {
    this.#send({
      ask: 'probed',
      module,
      run_id: runId,
      found: 'stale',
      reason: this.#deps.redact(reason),
      move,
    })
  }

  note(kind: NotedKind, module: string, runId: string | null, data: Readonly<Record<string, unknown>>): void {
    const clean = redactData(data, this.#deps.redact) as typeof data
    this.#send({ ask: 'note', kind, module, run_id: runId, data: clean })
  }

  #send(ask: Extract<Ask, { ask: 'probed' | 'note' }>): void {
    const { ask: send, say } = this.#deps
    send(ask).catch((error: Error) =>
      say(`the keeper did not take what was found of ${ask.module}: ${error.message}`),
    )
  }
}
