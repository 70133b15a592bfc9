/**
 * Edge failures: what MARK says when it cannot do what was asked. Every code stands in this catalogue and in
 * docs/errors.md (a test compares both). Exits, failed probes and refused spawns are events, never errors.
 */
export const CATALOGUE = {
  MARK_USAGE: 2,
  MARK_INTERNAL: 1,
  MARK_FAILED: 1,
  MARK_NOT_RUNNING: 3,
  MARK_NO_SUCH_MODULE: 4,
  MARK_NO_SUCH_JOB: 4,
  MARK_NO_SUCH_RUN: 4,
  MARK_TIMED_OUT: 6,
  MARK_CONFIG: 78,
  MARK_CONFIG_MISSING: 78,
  MARK_CONFIG_UNSAFE: 78,
  MARK_ENVIRONMENT: 78,
  MARK_PREFLIGHT: 78,
  MARK_LATCHED: 5,
  MARK_DENIED: 5,
  MARK_REFUSED: 5,
  MARK_REAL_MONEY: 5,
  MARK_LOCK_HELD: 5,
  MARK_NO_SUCH_KILL: 4,
  MARK_KEEPER_SILENT: 1,
  MARK_PROTOCOL: 1,
  MARK_STATE_NEWER: 5,
  MARK_STATE_UNREADABLE: 1,
  MARK_NO_RUNTIME: 1,
  MARK_NOT_INSTALLED: 3,
  MARK_NEEDS_ROOT: 5,
  MARK_UNSUPPORTED: 5,
  MARK_BUSY: 5,
} as const

export type ErrorCode = keyof typeof CATALOGUE

export interface ErrorBody {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string | null
}

/** `message` is one sentence; `hint` says what to do. Neither ever holds a secret value. */
export class MarkError extends Error {
  override readonly name = 'MarkError'
  readonly code: ErrorCode
  readonly hint: string | null

  constructor(code: ErrorCode, message: string, hint: string | null = null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }

  /** Exit status of the command line for this error (SPEC 6). */
  get exitStatus(): number {
    return CATALOGUE[this.code]
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, hint: this.hint }
  }

  static fromBody(body: ErrorBody): MarkError {
    const code = Object.hasOwn(CATALOGUE, body.code) ? body.code : 'MARK_INTERNAL'
    return new MarkError(code, body.message, body.hint)
  }
}
