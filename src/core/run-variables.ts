/**
 * What a run is told of itself and of the one before it, by environment variables.
 */
import type { Child, Run } from './child.ts'

export function runVariables(
  { lastExit, memory }: Pick<Child, 'lastExit' | 'memory'>,
  { id, startReason }: Pick<Run, 'id' | 'startReason'>,
  sessionId: string,
): Record<string, string> {
  const previous = lastExit?.known === false ? 'unknown' : String(lastExit?.signal ?? lastExit?.code ?? '')
  return {
    MARK_RUN_ID: id,
    MARK_SESSION_ID: sessionId,
    MARK_START_REASON: startReason,
    MARK_PREVIOUS_RUN_ID: lastExit?.run_id ?? '',
    MARK_PREVIOUS_EXIT: previous,
    MARK_ATTEMPT: String(memory.attempt),
    MARK_TRADING: '1',
  }
}
