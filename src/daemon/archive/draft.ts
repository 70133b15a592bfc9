/**
 * What goes into a dossier before it has an id. Types only.
 */
/** What the daemon knew of a run when it ended, for its dossier. */
export interface RunNotes {
  readonly runId: string
  readonly resources: unknown
  readonly heartbeat: unknown
  /** What its main process said had ended it; null: nothing. */
  readonly crash: CrashNote | null
}

export interface CrashNote {
  readonly error: { readonly type?: string; readonly message?: string }
  readonly traceback?: string
}

/** A dossier as it is made from a run's last output, before it has an id. */
export interface DossierDraft {
  readonly fingerprint: string
  readonly exceptionType: string | null
  readonly message: string | null
  readonly rootCause: string | null
  readonly frame: {
    readonly file: string
    readonly line: number | null
    readonly function: string | null
  } | null
  readonly traceback: string | null
  readonly lines: readonly string[]
}
