/**
 * What /proc says, read for the oracle alone: it shares no code with MARK, so that a mistake there cannot
 * hide itself. Reads only; a process that went away meanwhile is null, never an error.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'

export interface Stat {
  readonly pid: number
  readonly ppid: number
  readonly session: number
  readonly state: string
  /** Clock ticks since boot. */
  readonly start: number
}

export function statOf(pid: number): Stat | null {
  const text = textOf(`/proc/${pid}/stat`)
  if (text === null) return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const number = (index: number): number => Number(fields[index])
  return { pid, ppid: number(1), session: number(3), state: fields[0] ?? '?', start: number(19) }
}

/** Neither a zombie nor on its way out of the table. */
export function isLive(stat: Stat | null): stat is Stat {
  return stat !== null && !/[ZXx]/.test(stat.state)
}

export function argvOf(pid: number): string[] {
  return (textOf(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1)
}

/** As it was at the last exec. */
export function environOf(pid: number): Map<string, string> {
  const pairs = (textOf(`/proc/${pid}/environ`) ?? '').split('\0').filter(Boolean)
  return new Map(pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** Who holds the flock on this file; waiters do not count. `among`: the only processes that may. */
export function holderOf(path: string, among: ReadonlySet<number>): number | null {
  const inode = inodeOf(path)
  for (const line of (textOf('/proc/locks') ?? '').split('\n')) {
    const match = /^\d+: FLOCK +ADVISORY +WRITE +(\d+) +\S+:(\d+) /.exec(line)
    if (match && Number(match[2]) === inode && among.has(Number(match[1]))) return Number(match[1])
  }
  return null
}

/** Does a process listen on this unix socket now? The file alone outlives its server. */
export function isListening(path: string): boolean {
  const ends = ` ${path}`
  return (textOf('/proc/net/unix') ?? '')
    .split('\n')
    .some(line => line.endsWith(ends) && / 00010000 /.test(line))
}

/** Pids that this process holds a pidfd of. */
export function pidfdTargets(pid: number): Set<number> {
  const targets = new Set<number>()
  for (const fd of namesIn(`/proc/${pid}/fdinfo`)) {
    const target = /^Pid:\s+(\d+)$/m.exec(textOf(`/proc/${pid}/fdinfo/${fd}`) ?? '')
    if (target) targets.add(Number(target[1]))
  }
  return targets
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
