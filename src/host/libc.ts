/**
 * The thin libc interface: what Linux offers and Node does not. koffi is loaded by `loadLibc` alone and
 * nothing else imports it. Every call returns at once; a shortage is thrown as HostShortage, any other
 * surprise as MARK_INTERNAL. Descriptors handed out are close-on-exec and belong to the caller.
 */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, release } from 'node:os'
import type { Exit } from '../core/exit.ts'
import { type FileCalls, fileCalls } from './libc-files.ts'
import { type SocketCalls, socketCalls } from './libc-sockets.ts'
import { type SpawnCalls, spawnCalls } from './libc-spawn.ts'
import { type Argument, failure, type Native } from './native.ts'
import { exitFromStatus } from './proc.ts'

export interface ProcessCalls {
  /** Orphans of our descendants come to us from now on. */
  setSubreaper(): void
  /** Marks every descriptor from `fd` on close-on-exec. */
  setCloexecFrom(fd: number): void
  /** Lets one descriptor live on through an exec. */
  keepThroughExec(fd: number): void
  /**
   * How a child that libuv does not own ended, which reaps it. 'alive': it has not; null: it is not our child
   * (any more).
   */
  reap(pid: number): Exit | 'alive' | null
  /** Waits for its turn on the processor (SCHED_BATCH) instead of pushing in; what it starts does too. */
  takeTurns(): void
  /** Freed memory that the allocator keeps goes back to the host (glibc alone keeps it). */
  giveBack(): void
}

export interface PidfdCalls {
  /** null: no such process. Throws HostShortage when descriptors or memory ran out. */
  pidfdOpen(pid: number): number | null
  /**
   * `group`: its whole process group where it leads one and the kernel can (>= 6.9), else the process alone.
   * false: gone. A process that is there but refuses (EPERM) is true.
   */
  pidfdSignal(pidfd: number, signal: number, group: boolean): boolean
  /** How the process ended, once reaped (Linux >= 6.15); null when kernel or state does not tell. */
  pidfdExit(pidfd: number): Exit | null
  /** The kernel tells such exits: none is lost by looking later. */
  readonly tellsExits: boolean
}

export interface Libc extends ProcessCalls, PidfdCalls, SocketCalls, FileCalls, SpawnCalls {
  close(fd: number): void
  /**
   * Calls `readable` whenever `fd` has something; never keeps the process alive. close() ends only the watch.
   */
  watch(fd: number, readable: () => void): { close(): void }
  /** flock, exclusive, without waiting. false: somebody else has it. */
  tryLock(fd: number): boolean
}

/** What of the host not to use, to see how MARK does without: for tests. */
export interface Without {
  /** As on Linux < 6.15: exits of processes that are not our children are not told. */
  readonly pidfdInfo?: boolean
}

/** null when koffi cannot be loaded: MARK then works without pidfds, notify sockets and locks of its own. */
export function loadLibc(without: Without = {}): Libc | null {
  try {
    const libc = createLibc(createRequire(import.meta.url)('koffi'))
    return without.pidfdInfo ? { ...libc, pidfdExit: () => null, tellsExits: false } : libc
  } catch {
    return null
  }
}

type Koffi = typeof import('koffi')

const { errno } = constants
const LOCK_EX_NB = 2 | 4
const WNOHANG = 1
const F_SETFD = 2
const FD_CLOEXEC = 1
const PR_SET_CHILD_SUBREAPER = 36
const SCHED_BATCH = 3
const SCHED_PARAM_BYTES = 4
// System calls above 402 have one number on every architecture.
const SYS_PIDFD_SEND_SIGNAL = 424
const SYS_PIDFD_OPEN = 434
const SYS_CLOSE_RANGE = 436
const CLOSE_RANGE_CLOEXEC = 4
const PIDFD_SIGNAL_PROCESS_GROUP = 4
// _IOWR(0xFF, 11, struct pidfd_info), first version of the structure: 64 bytes, exit status in the last four.
const PIDFD_INFO_BYTES = 64
const PIDFD_GET_INFO = 0xc000ff0b + PIDFD_INFO_BYTES * 0x10000
const PIDFD_INFO_EXIT = 8
const PIDFD_INFO_EXIT_AT = 60
// Variadic in C, but every supported ABI passes its integers like fixed arguments.
const SYSCALL = 'long syscall(long, long, long, long, long)'

function createLibc(koffi: Koffi): Libc {
  const native = nativeOf(koffi)
  const closeFd = native.call('int close(int)')
  const flock = native.call('int flock(int, int)')
  return {
    ...processCalls(native),
    ...pidfdCalls(native),
    ...socketCalls(native),
    ...fileCalls(native),
    ...spawnCalls(native),
    close(fd) {
      closeFd(fd)
    },
    watch(fd, readable) {
      const handle = koffi.node.poll(fd, { readable: true }, () => readable())
      handle.unref()
      let open = true
      return {
        close() {
          if (!open) return
          open = false
          handle.stop()
          handle.close()
        },
      }
    },
    tryLock(fd) {
      if (flock(fd, LOCK_EX_NB) === 0) return true
      const code = native.errno()
      if (code === errno.EWOULDBLOCK) return false
      throw failure('flock', code)
    },
  }
}

function nativeOf(koffi: Koffi): Native {
  const library = koffi.load(null)
  return {
    call: prototype => library.func(prototype) as unknown as ReturnType<Native['call']>,
    later(prototype) {
      const call = library.func(prototype) as unknown as {
        async(...args: [...Argument[], (error: Error | null, result: number) => void]): void
      }
      return (...args) =>
        new Promise((resolve, reject) => {
          // koffi hands errno over from the thread that ran the call.
          call.async(...args, (error, result) =>
            error === null ? resolve([result, koffi.errno()]) : reject(error),
          )
        })
    },
    errno: () => koffi.errno(),
  }
}

function processCalls(native: Native): ProcessCalls {
  const syscall = native.call(SYSCALL)
  const prctl = native.call('int prctl(int, long, long, long, long)')
  const fcntl = native.call('int fcntl(int, int, long)')
  const waitpid = native.call('int waitpid(int, void *, int)')
  const schedule = native.call('int sched_setscheduler(int, int, void *)')
  const status = Buffer.alloc(4)
  return {
    setSubreaper() {
      if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) throw failure('prctl', native.errno())
    },
    setCloexecFrom(fd) {
      if (syscall(SYS_CLOSE_RANGE, fd, 0xffffffff, CLOSE_RANGE_CLOEXEC, 0) === 0) return
      for (const open of readdirSync('/proc/self/fd').map(Number)) {
        if (open >= fd) fcntl(open, F_SETFD, FD_CLOEXEC)
      }
    },
    keepThroughExec(fd) {
      if (fcntl(fd, F_SETFD, 0) < 0) throw failure('fcntl', native.errno())
    },
    takeTurns() {
      // Refused by some containers: then it is as urgent as everybody.
      schedule(0, SCHED_BATCH, Buffer.alloc(SCHED_PARAM_BYTES))
    },
    giveBack() {
      try {
        native.call('int malloc_trim(size_t pad)')(0)
      } catch {
        // musl has none, and needs none.
      }
    },
    reap(pid) {
      const result = waitpid(pid, status, WNOHANG)
      if (result === pid) return exitFromStatus(status.readInt32LE(0), 'wait')
      return result === 0 ? 'alive' : null
    },
  }
}

function pidfdCalls(native: Native): PidfdCalls {
  const syscall = native.call(SYSCALL)
  const ioctl = native.call('int ioctl(int, unsigned long, void *)')
  return {
    pidfdOpen(pid) {
      const fd = syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0)
      if (fd >= 0) return fd
      const code = native.errno()
      // EINVAL: not a process but a thread, or no pid at all.
      if (code === errno.ESRCH || code === errno.EINVAL) return null
      throw failure('pidfd_open', code)
    },
    pidfdSignal(pidfd, signal, group) {
      const send = (flags: number): number =>
        syscall(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, 0, flags) === 0 ? 0 : native.errno()
      const sent = group ? send(PIDFD_SIGNAL_PROCESS_GROUP) : errno.EINVAL
      // EINVAL: an older kernel; ESRCH: it leads no group. Either way the process alone remains.
      const result = sent === errno.EINVAL || sent === errno.ESRCH ? send(0) : sent
      if (result === 0 || result === errno.EPERM) return true
      if (result === errno.ESRCH) return false
      throw failure('pidfd_send_signal', result)
    },
    tellsExits: kernelAtLeast(6, 15),
    pidfdExit(pidfd) {
      const info = Buffer.alloc(PIDFD_INFO_BYTES)
      info.writeBigUInt64LE(BigInt(PIDFD_INFO_EXIT))
      if (ioctl(pidfd, PIDFD_GET_INFO, info) < 0) return null
      if ((info.readUInt32LE(0) & PIDFD_INFO_EXIT) === 0) return null
      return exitFromStatus(info.readInt32LE(PIDFD_INFO_EXIT_AT), 'pidfd')
    },
  }
}

function kernelAtLeast(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release().split('.').map(Number)
  return ours > major || (ours === major && oursMinor >= minor)
}
