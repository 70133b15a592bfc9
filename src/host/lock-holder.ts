/**
 * Who holds a flock, without touching the lock: a probe that took it, even for an instant, could turn a
 * starting keeper away. Waiters do not count.
 */
import { readFileSync, statSync } from 'node:fs'
import { errnoOf } from './shortage.ts'

/**
 * Pid of the process that holds an exclusive flock on `path`; null when nobody does or the file is not
 * there.
 */
export function lockHolder(path: string): number | null {
  try {
    return parseHolder(readFileSync('/proc/locks', 'latin1'), statSync(path).ino, pid => names(pid, path))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return null
    throw error
  }
}

/** `confirm`: is it this pid? Inode numbers repeat between file systems, so an inode alone proves nothing. */
export function parseHolder(locks: string, inode: number, confirm: (pid: number) => boolean): number | null {
  for (const line of locks.split('\n')) {
    const match = /^\d+: FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line)
    if (match && Number(match[2]) === inode && confirm(Number(match[1]))) return Number(match[1])
  }
  return null
}

/** The holder was started as `flock ... <path> ...` or works on the directory of `path`. */
function names(pid: number, path: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const dir = path.slice(0, path.lastIndexOf('/'))
    return words.includes(path) || words.includes(dir)
  } catch {
    return false
  }
}
