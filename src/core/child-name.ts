/**
 * Names of children: a module's own, `x~next` for the incoming or outgoing run of a reload of x, `x@ID` for
 * one attempt of job x, and the daemon's. No module or job can be called like the last three.
 */
export const DAEMON = '@daemon'
const NEXT = '~next'

export function nextName(module: string): string {
  return module + NEXT
}

export function attemptName(job: string, attemptId: string): string {
  return `${job}@${attemptId}`
}

/** The attempt that this child is of; null: it is no job's. */
export function attemptOf(child: string): string | null {
  const at = child.indexOf('@')
  return at > 0 ? child.slice(at + 1) : null
}

/** The module's name, or the job's. */
export function moduleName(child: string): string {
  if (child.endsWith(NEXT)) return child.slice(0, -NEXT.length)
  const at = child.indexOf('@')
  return at > 0 ? child.slice(0, at) : child
}

const STARTS = 4
const ATTEMPTS = 8

/**
 * How many of them are started in one turn of the event loop: each costs up to a millisecond, and others want
 * answers meanwhile. Attempts of jobs that are due together are late by all that comes between.
 */
export function startsPerTurn(names: readonly string[]): number {
  return names.every(name => attemptOf(name) !== null) ? ATTEMPTS : STARTS
}
