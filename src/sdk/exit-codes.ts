/** How a module ends so that MARK understands it (the exit contract), by name. */
export const EXIT = {
  /** Asked for, or the task is done. */
  OK: 0,
  /** A kill switch stopped it: held until released. */
  HALTED: 10,
  /** Its state and the exchange's may differ: the reconcile gate. */
  RECONCILE: 11,
  /** Held until a human releases it. */
  NEEDS_HUMAN: 12,
  /** Restarted at the longest delay, not counted as a failure. */
  TRY_LATER: 75,
  /** Held: a key is missing or refused. */
  CREDENTIALS: 77,
  /** Failed, never restarted by itself. */
  CONFIGURATION: 78,
} as const

export type ExitName = keyof typeof EXIT
