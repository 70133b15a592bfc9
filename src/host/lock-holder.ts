/**
 * Who holds a flock and who waits for it, without touching the lock: a probe that took it, even for an
 * instant, could turn a starting keeper away.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { Libc } from './libc.ts'
import { argvOf } from './proc-argv.ts'
import { errnoOf, isShortage } from './shortage.ts'

const SIGKILL = 9
const PID = String(process.pid)
const OWN_LOCK = /^lock:\s+\d+: FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s/m

/**
 * Pid of the process that holds an exclusive flock on `path`; null when nobody does or the file is not
 * there.
 */
export function lockHolder(path: string): number | null {
  return ask(path, (locks, inode) => parseHolder(locks, inode, pid => names(pid, path))) ?? null
}

/**
 * This process holds an exclusive flock on `path` itself. Asked of its own descriptors: who reads /proc/locks
 * waits until every processor of the host has noticed (6 to 30 ms), which is long where an heir takes over.
 */
export function holdsLock(path: string): boolean {
  return lockFds(path).some(
    fd => OWN_LOCK.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] === PID,
  )
}

/** Pids of the processes that wait for an exclusive flock on `path`: the keeper's heirs. */
export function lockWaiters(path: string): number[] {
  return ask(path, (locks, inode) => parseLocks(locks, inode, 'waits').filter(pid => names(pid, path))) ?? []
}

/** `confirm`: is it this pid? Inode numbers repeat between file systems, so an inode alone proves nothing. */
export function parseHolder(locks: string, inode: number, confirm: (pid: number) => boolean): number | null {
  return parseLocks(locks, inode, 'holds').find(confirm) ?? null
}

function parseLocks(locks: string, inode: number, which: 'holds' | 'waits'): number[] {
  const pids: number[] = []
  for (const line of locks.split('\n')) {
    // Who waits behind another waiter is indented further.
    const match = /^\d+: +(-> )?FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line)
    if (match === null || Number(match[3]) !== inode) continue
    if ((match[1] === undefined) === (which === 'holds')) pids.push(Number(match[2]))
  }
  return pids
}

/**
 * Kills who waits for the lock, `except` these: an heir of an earlier keeper would come after a `down`. Each
 * is proven by the lock itself while a pidfd holds it.
 */
export function endWaiters(path: string, except: readonly number[], libc: Libc): void {
  try {
    for (const pid of lockWaiters(path)) {
      const pidfd = except.includes(pid) ? null : libc.pidfdOpen(pid)
      if (pidfd === null) continue
      if (lockWaiters(path).includes(pid)) libc.pidfdSignal(pidfd, SIGKILL, false)
      libc.close(pidfd)
    }
  } catch (error) {
    // It is tidied up another time; an heir too many costs less than a keeper too few.
    if (!isShortage(error)) throw error
  }
}

/** Descriptors of this process that are open on the lock's file. */
export function lockFds(path: string): number[] {
  const lock = statSync(path, { throwIfNoEntry: false })
  if (lock === undefined) return []
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter(fd => {
      const stat = statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })
      return stat?.ino === lock.ino && stat.dev === lock.dev
    })
}

function ask<T>(path: string, question: (locks: string, inode: number) => T): T | null {
  try {
    return question(readFileSync('/proc/locks', 'latin1'), statSync(path).ino)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return null
    throw error
  }
}

/** The process was started as `flock ... <path> ...` or works on the directory of `path`. */
function names(pid: number, path: string): boolean {
  const words = argvOf(pid) ?? []
  return words.includes(path) || words.includes(path.slice(0, path.lastIndexOf('/')))
}
