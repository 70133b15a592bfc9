/** What MARK told this run in its environment: who it is, where it may write, and why it was started. */

export interface Paths {
  readonly root: string | null
  readonly state: string | null
  readonly logs: string | null
  readonly data: string | null
}

export interface Start {
  /** `boot crash operator health reload standby reboot`; null outside MARK. */
  readonly reason: string | null
  readonly previousRunId: string | null
  /** The exit code or signal of the run before, or `unknown`; null: there was none. */
  readonly previousExit: string | null
  readonly attempt: number | null
}

export interface RunContext {
  readonly fleet: string | null
  readonly module: string | null
  readonly runId: string | null
  readonly socket: string | null
  readonly haltFile: string | null
  readonly paths: Paths
  readonly start: Start
}

/** Outside MARK everything is null. */
export function contextOf(env: NodeJS.ProcessEnv): RunContext {
  const text = (name: string): string | null => env[name] || null
  const root = text('MARK_ROOT')
  const attempt = Number(env.MARK_ATTEMPT || Number.NaN)
  return {
    fleet: text('MARK_FLEET'),
    module: text('MARK_MODULE'),
    runId: text('MARK_RUN_ID'),
    socket: text('MARK_SOCKET'),
    haltFile: text('MARK_HALT_FILE'),
    paths: {
      root,
      state: text('MARK_STATE_DIR'),
      logs: text('MARK_LOG_DIR'),
      data: root === null ? null : `${root.replace(/\/+$/, '')}/data`,
    },
    start: {
      reason: text('MARK_START_REASON'),
      previousRunId: text('MARK_PREVIOUS_RUN_ID'),
      previousExit: text('MARK_PREVIOUS_EXIT'),
      attempt: Number.isInteger(attempt) ? attempt : null,
    },
  }
}
