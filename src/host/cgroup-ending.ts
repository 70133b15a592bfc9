/**
 * Ending all that is in a control group: the whole group in one call where the kernel can, else one by one
 * while it stands frozen. Never throws: whoever calls looks again whether something is left.
 */
import { join } from 'node:path'
import type { CgroupFiles } from './cgroup-files.ts'
import type { Libc } from './libc.ts'

const SIGKILL = 9
/** Each look also lets the kernel freeze what it had missed; a group in a fork storm needs a few. */
const FREEZE_LOOKS = 50

/** Version 2: the kernel ends every process of the group and of those below, forks under way included. */
export function killAll(dir: string, files: CgroupFiles): void {
  const path = join(dir, 'cgroup.kill')
  if (files.exists(path)) attempt(() => files.write(path, '1'))
}

/** Version 1: nothing in the group runs, forks or ends until `thaw`. false: this group cannot. */
export function freeze(dir: string, files: CgroupFiles): boolean {
  const path = join(dir, 'freezer.state')
  if (!files.exists(path)) return false
  return attempt(() => {
    files.write(path, 'FROZEN')
    for (let look = 0; look < FREEZE_LOOKS; look++) if (files.read(path).trim() === 'FROZEN') return
  })
}

/** Without a freezer, or while it runs: nothing happens. */
export function thaw(dir: string, files: CgroupFiles): void {
  const path = join(dir, 'freezer.state')
  if (files.exists(path)) attempt(() => files.write(path, 'THAWED'))
}

/** SIGKILL to one process, once it is proven with its pidfd in hand that it `isOurs`. */
export function endProcess(pid: number, isOurs: () => boolean, libc: Libc | null): void {
  attempt(() => {
    const pidfd = libc?.pidfdOpen(pid)
    if (pidfd === null) return
    try {
      if (!isOurs()) return
      if (libc && pidfd !== undefined) libc.pidfdSignal(pidfd, SIGKILL, false)
      else process.kill(pid, 'SIGKILL')
    } finally {
      if (pidfd !== undefined) libc?.close(pidfd)
    }
  })
}

function attempt(step: () => void): boolean {
  try {
    step()
    return true
  } catch {
    return false
  }
}
