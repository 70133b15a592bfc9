/** Linux signals that may be sent to a module, by name. */
const NAMES = (
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN ' +
  'TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
).split(' ')

export const SIGNALS: readonly string[] = NAMES.map(name => `SIG${name}`)

/** `term`, `SIGTERM` -> `SIGTERM`; null if there is no such signal. */
export function normalizeSignal(text: string): string | null {
  const upper = text.toUpperCase()
  const full = upper.startsWith('SIG') ? upper : `SIG${upper}`
  return SIGNALS.includes(full) ? full : null
}
