/**
 * Who goes first when memory runs out: a module before the daemon, the daemon before the keeper. As root the
 * keeper lowers its own score; what it starts gets the score that the keeper itself was started with (the
 * daemon one in between), set for the instant of the start, because a child inherits it and its first fork
 * would pass it on. Without the right to lower it, nothing is changed.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'

export const KEEPER_OOM_SCORE = -900
export const DAEMON_OOM_SCORE = -500
/** Where a keeper tells its successors, and what it becomes, the score that is the fleet's. */
const VARIABLE = 'MARK_OOM_SCORE'
const LEAST = -1000
const MOST = 1000
const FILE = '/proc/self/oom_score_adj'

/** This process's own score: -1000 never killed, 1000 first. */
export interface OomScore {
  read(): number
  /** Throws where the kernel does not let it. */
  write(score: number): void
}

let shield: { readonly own: OomScore; readonly fleet: number } | null = null

/** Lowers this process's score where it may; `env` carries the fleet's own. Call it before any start. */
export function shieldFromOom(
  env: Record<string, string | undefined>,
  own: OomScore = ofThisProcess(),
): void {
  try {
    const fleet = given(env[VARIABLE]) ?? own.read()
    own.write(Math.min(KEEPER_OOM_SCORE, fleet))
    shield = { own, fleet }
    env[VARIABLE] = String(fleet)
  } catch {
    shield = null
  }
}

/** Runs `start`, whose children get the fleet's score, or this one where it is lower. */
export function atFleetScore<T>(start: () => T, score: number = MOST): T {
  if (shield === null) return start()
  const { own, fleet } = shield
  set(own, Math.min(fleet, score))
  try {
    return start()
  } finally {
    set(own, Math.min(fleet, KEEPER_OOM_SCORE))
  }
}

function set(own: OomScore, score: number): void {
  try {
    own.write(score)
  } catch {
    // It is only a preference: no start fails for it.
  }
}

function ofThisProcess(): OomScore {
  let fd: number | null = null
  return {
    read: () => Number(readFileSync(FILE, 'utf8')),
    write(score) {
      fd ??= openSync(FILE, 'w')
      writeSync(fd, String(score), 0)
    },
  }
}

function given(text: string | undefined): number | null {
  const score = text === undefined ? Number.NaN : Number(text)
  return Number.isInteger(score) && score >= LEAST && score <= MOST ? score : null
}
