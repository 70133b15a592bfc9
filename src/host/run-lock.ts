/**
 * The lock of a trading account: one live run on this host, over fleets, users and keepers. A file in a
 * directory that all accounts share, locked by flock; the run inherits the descriptor, so the kernel holds
 * the lock as long as any process of it lives, and no keeper's death can free or take it. What cannot be
 * opened counts as held. See docs/decisions/0016-one-run-an-account.md.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Libc } from './libc.ts'
import { alive, bootId } from './proc.ts'
import { errnoOf } from './shortage.ts'

/** Who holds a lock, as its file says. */
export interface LockOwner {
  /** Higher for every holder after another, over reboots too. */
  readonly fence: number
  readonly host: string
  readonly boot_id: string
  readonly uid: number
  /** The state directory of its fleet. */
  readonly fleet: string
  readonly module: string
  readonly run_id: string
  /** null: it is being started. */
  readonly pid: number | null
  readonly start_time: number | null
}

export interface HeldLock {
  readonly ok: true
  readonly fd: number
  readonly fence: number
  /** Names the process, once it is there. Never throws: the lock is the descriptor, not the record. */
  started(pid: number, startTime: number | null): void
  /** This process's part of it; that of the run stays. */
  close(): void
}

export type LockAnswer = HeldLock | { readonly ok: false; readonly why: string; readonly transient: boolean }

/** In a tmpfs that every account may write to; the second where there is none. */
const DIRECTORIES = ['/run/lock/mark', '/tmp/mark-locks']
const RECORD_MAX_BYTES = 4096

/** Takes the lock `name` for a run, without waiting. */
export function takeRunLock(
  name: string,
  run: Pick<LockOwner, 'fleet' | 'module' | 'run_id'>,
  given: { readonly libc: Libc | null; readonly wallMs: number; readonly directories?: readonly string[] },
): LockAnswer {
  const { libc, wallMs, directories = DIRECTORIES } = given
  if (libc === null) return refused(`the lock ${name} cannot be taken here: koffi cannot be loaded`, false)
  let fd: number | null = null
  try {
    fd = openLock(pathOf(name, directories))
    if (!libc.tryLock(fd)) {
      const why = `the lock ${name} is held by ${describe(readOwner(fd))}`
      closeSync(fd)
      return refused(why, true)
    }
    // A file that was removed meanwhile is nobody's lock any more.
    if (fstatSync(fd).nlink === 0) throw new Error(`the lock ${name} was removed while it was taken`)
    return held(fd, run, wallMs)
  } catch (error) {
    if (fd !== null) closeSync(fd)
    const code = errnoOf(error) ?? 'unknown'
    const why = `the lock ${name} cannot be opened (${code}), so it counts as held`
    return refused(why, true)
  }
}

/**
 * Who holds the lock now; null: nobody, or nobody can tell without libc. For refusals before a start; it
 * takes the lock for an instant, and a start of that instant is tried again.
 */
export function lockOwner(
  name: string,
  libc: Libc | null,
  directories: readonly string[] = DIRECTORIES,
): LockOwner | null {
  if (libc === null) return null
  let fd: number | null = null
  try {
    fd = openSync(pathOf(name, directories), constants.O_RDONLY | constants.O_NOFOLLOW)
    return libc.tryLock(fd) ? null : (readOwner(fd) ?? NOBODY_KNOWN)
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? null : NOBODY_KNOWN
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** Is the holder of the fleet in this state directory, by whatever path it is reached? */
export function isOfFleet(owner: LockOwner, stateDir: string): boolean {
  try {
    const [theirs, ours] = [statSync(owner.fleet), statSync(stateDir)]
    return theirs.dev === ours.dev && theirs.ino === ours.ino
  } catch {
    return false
  }
}

/** For a sentence. */
export function describe(owner: LockOwner | null): string {
  if (owner === null || owner === NOBODY_KNOWN) return 'a process that left no record'
  const { module, fleet, run_id, pid, uid } = owner
  const here = owner.boot_id === bootId()
  const lives = here && pid !== null && alive({ pid, startTime: owner.start_time ?? -1 })
  const who = pid === null ? 'which is being started' : lives ? `pid ${pid}` : `what pid ${pid} left behind`
  return `${module} of ${fleet} (run ${run_id}, uid ${uid}, ${who})`
}

const NOBODY_KNOWN: LockOwner = {
  ...{ fence: 0, host: '', boot_id: '', uid: -1, fleet: '', module: '', run_id: '' },
  ...{ pid: null, start_time: null },
}

function held(fd: number, run: Pick<LockOwner, 'fleet' | 'module' | 'run_id'>, wallMs: number): HeldLock {
  const fence = Math.max((readOwner(fd)?.fence ?? 0) + 1, wallMs)
  const owner: LockOwner = {
    fence,
    host: hostname(),
    boot_id: bootId(),
    uid: process.getuid?.() ?? 0,
    ...run,
    pid: null,
    start_time: null,
  }
  writeOwner(fd, owner)
  return {
    ok: true,
    fd,
    fence,
    started(pid, start_time) {
      try {
        writeOwner(fd, { ...owner, pid, start_time })
      } catch {
        // The name of the lock's holder is for people.
      }
    },
    close: () => closeSync(fd),
  }
}

function pathOf(name: string, directories: readonly string[]): string {
  // Letters, digits and a few signs, see the schema; a slash would leave the directory.
  return join(shared(directories), `${name.replaceAll('/', '%')}.lock`)
}

/** Throws when no directory serves. */
function shared(directories: readonly string[]): string {
  let last: unknown = null
  for (const dir of directories) {
    try {
      if (lstatSync(dir, { throwIfNoEntry: false }) === undefined) {
        mkdirSync(dir)
        chmodSync(dir, 0o1777)
      }
      const stat = lstatSync(dir)
      if (stat.isDirectory() && (stat.mode & 0o1000) !== 0) return dir
      last = new Error(`${dir} is no directory that accounts may share`)
    } catch (error) {
      last = error
    }
  }
  throw last
}

/**
 * A file of another account is opened without O_CREAT: the kernel refuses that flag on somebody else's file
 * in a sticky directory (fs.protected_regular).
 */
function openLock(path: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
  for (;;) {
    try {
      const fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
      if (fstatSync(fd).isFile()) return fd
      closeSync(fd)
      throw new Error(`${path} is not a regular file`)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
    try {
      const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666)
      // Against the umask: the next holder, of whatever account, must raise the fence.
      fchmodSync(fd, 0o666)
      return fd
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
  }
}

function readOwner(fd: number): LockOwner | null {
  try {
    const bytes = Buffer.alloc(RECORD_MAX_BYTES)
    const owner = JSON.parse(bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0))) as LockOwner
    return Number.isSafeInteger(owner.fence) && typeof owner.module === 'string' ? owner : null
  } catch {
    return null
  }
}

/** Without its fence on the disk no run may start: throws. */
function writeOwner(fd: number, owner: LockOwner): void {
  const bytes = Buffer.from(`${JSON.stringify(owner)}\n`)
  writeSync(fd, bytes, 0, bytes.length, 0)
  ftruncateSync(fd, bytes.length)
}

function refused(why: string, transient: boolean): LockAnswer {
  return { ok: false, why, transient }
}
