/**
 * The tag that a run's processes carry: their soft limit of bytes in POSIX message queues, which fork, exec,
 * setsid and a wiped environment leave alone. Anyone may read it of anyone.
 */
import { readFileSync } from 'node:fs'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

/** null when the process is gone. Throws HostShortage when it could not look. */
export function tagOf(pid: number): number | null {
  try {
    const soft = /^Max msgqueue size +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))?.[1]
    return soft === undefined ? null : Number(soft)
  } catch (error) {
    if (isShortage(error)) throw new HostShortage(`to read /proc/${pid}/limits`, errnoOf(error) ?? 'EMFILE')
    return null
  }
}
