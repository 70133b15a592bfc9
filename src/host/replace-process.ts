/**
 * Another program in this very process: same pid, same children, same lock. Everything that is open here is
 * closed by the kernel at that instant and not before, so a refusal (which is thrown) has cost nothing.
 */
import type { Libc } from './libc.ts'
import { lockFds } from './lock-holder.ts'

/** Why this process cannot be replaced; null: it can. */
export function whyNotReplaced(libc: Libc | null): string | null {
  if (libc === null) return 'koffi cannot be loaded here, and without it the lock would be lost'
  return typeof process.execve === 'function' ? null : `Node ${process.versions.node} has no process.execve`
}

/** Becomes `argv`, an absolute path and its arguments, and goes on holding the lock on `lockFile`. */
export function replaceProcess(
  libc: Libc,
  lockFile: string,
  argv: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): never {
  const fds = lockFds(lockFile)
  if (fds.length === 0) throw new Error(`${lockFile} is not open in this process`)
  try {
    for (const fd of fds)
      libc.keepThroughExec(fd)
      // The types know it since Node 22.15; what starts this may be older.
    ;(process.execve as NonNullable<typeof process.execve>)(argv[0], argv, { ...env })
  } finally {
    libc.setCloexecFrom(3)
  }
  throw new Error('execve returned')
}
