/**
 * Logs for the prober: waits for a line of one run that fits a pattern, and looks how long a log has been
 * silent. Reads only; a log that cannot be read is one without lines.
 */
import { statSync } from 'node:fs'
import type { Clock } from '../../host/clock.ts'
import { livePath, logicalSize } from '../../host/log-file.ts'
import { followLog } from '../../host/log-reader.ts'
import type { LogSource } from './prober.ts'

export interface LogSourceDeps {
  readonly logs: string
  readonly clock: Clock
  /** Logical offset at which a run's output begins; null when nobody knows it. */
  readonly startOf: (runId: string) => Promise<number | null>
  /** Which lines fit; throws for a pattern that cannot be used. */
  readonly matcher: (pattern: string) => (lines: readonly string[]) => boolean[]
}

export function logSource(deps: LogSourceDeps): LogSource {
  return {
    watchFor(run, matched, failed) {
      const end = logicalSize(deps.logs, run.module)
      let follow: { close(): void } | null = null
      let closed = false
      const stop = (): void => {
        closed = true
        follow?.close()
        follow = null
      }
      const search = (start: number | null): void => {
        if (closed) return
        const fits = deps.matcher(run.pattern)
        // Unknown where it began: only new lines may count, or an earlier run's would.
        follow = followLog(deps.logs, run.module, start ?? end, lines => {
          if (closed) return
          try {
            const at = fits(lines.map(line => line.text)).indexOf(true)
            if (at < 0) return
            stop()
            matched(lines[at]?.text ?? '')
          } catch (error) {
            stop()
            failed((error as Error).message)
          }
        })
        if (closed) stop()
      }
      deps
        .startOf(run.runId)
        .catch(() => null)
        .then(search)
        .catch((error: Error) => failed(error.message))
      return { close: stop }
    },
    look(module) {
      const sizeBytes = logicalSize(deps.logs, module)
      const stat = statSync(livePath(deps.logs, module), { throwIfNoEntry: false })
      return { sizeBytes, ageMs: stat ? deps.clock.now().wallMs - stat.mtimeMs : null }
    },
  }
}
