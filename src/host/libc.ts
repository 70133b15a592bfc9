/**
 * The thin libc interface: what Linux offers and Node does not. koffi is loaded by `loadLibc` alone and
 * nothing else imports it. Every call returns at once; a shortage is thrown as HostShortage, any other
 * surprise as MARK_INTERNAL. Descriptors handed out are close-on-exec and belong to the caller.
 */
import { chmodSync, readdirSync, unlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { MarkError } from '../core/errors.ts'
import type { Exit } from '../core/exit.ts'
import { exitFromStatus } from './proc.ts'
import { HostShortage, isShortage } from './shortage.ts'

export interface Libc {
  /** Orphans of our descendants come to us from now on. */
  setSubreaper(): void
  /** Marks every descriptor from `fd` on close-on-exec. */
  setCloexecFrom(fd: number): void
  /** null: no such process. Throws HostShortage when descriptors or memory ran out. */
  pidfdOpen(pid: number): number | null
  /**
   * `group`: its whole process group where it leads one and the kernel can (>= 6.9), else the process alone.
   * false: gone. A process that is there but refuses (EPERM) is true.
   */
  pidfdSignal(pidfd: number, signal: number, group: boolean): boolean
  /** How the process ended, once reaped (Linux >= 6.15); null when kernel or state does not tell. */
  pidfdExit(pidfd: number): Exit | null
  /** Reaps a child that libuv does not own (an orphan that came home). true when it is gone. */
  reap(pid: number): boolean
  close(fd: number): void
  /**
   * Calls `readable` whenever `fd` has something; never keeps the process alive. close() ends only the watch.
   */
  watch(fd: number, readable: () => void): { close(): void }
  /**
   * A unix datagram socket at `path` with exactly `mode`; what lay there is unlinked. Path at most 107 bytes.
   */
  bindDatagram(path: string, mode: number): number
  /**
   * One datagram, or null when there is none now. Descriptors sent along are closed by the kernel at once.
   */
  receive(fd: number): Buffer | null
  /** flock, exclusive, without waiting. false: somebody else has it. */
  tryLock(fd: number): boolean
  /** Sends one datagram to a unix socket; `@name` is an abstract one. false: nobody takes it. */
  send(path: string, text: string): boolean
}

export const SOCKET_PATH_MAX_BYTES = 107

/** null when koffi cannot be loaded: MARK then works without pidfds, notify sockets and locks of its own. */
export function loadLibc(): Libc | null {
  try {
    return createLibc(createRequire(import.meta.url)('koffi'))
  } catch {
    return null
  }
}

type Koffi = typeof import('koffi')
type Call = (...args: (number | Buffer)[]) => number

const { errno } = constants
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(errno).map(([name, number]) => [number, name]),
)
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const LOCK_EX_NB = 2 | 4
const WNOHANG = 1
const F_SETFD = 2
const FD_CLOEXEC = 1
const PR_SET_CHILD_SUBREAPER = 36
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
const DATAGRAM_MAX_BYTES = 64 * 1024

function createLibc(koffi: Koffi): Libc {
  const libc = koffi.load(null)
  const closeFd = libc.func('int close(int)') as Call
  const flock = libc.func('int flock(int, int)') as Call
  return {
    ...processCalls(koffi),
    ...pidfdCalls(koffi),
    ...socketCalls(koffi, closeFd),
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
      const code = koffi.errno()
      if (code === errno.EWOULDBLOCK) return false
      throw failure('flock', code)
    },
  }
}

function processCalls(koffi: Koffi): Pick<Libc, 'setSubreaper' | 'setCloexecFrom' | 'reap'> {
  const libc = koffi.load(null)
  const syscall = libc.func(SYSCALL) as Call
  const prctl = libc.func('int prctl(int, long, long, long, long)') as Call
  const fcntl = libc.func('int fcntl(int, int, long)') as Call
  const waitpid = libc.func('int waitpid(int, void *, int)') as Call
  return {
    setSubreaper() {
      if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) throw failure('prctl', koffi.errno())
    },
    setCloexecFrom(fd) {
      if (syscall(SYS_CLOSE_RANGE, fd, 0xffffffff, CLOSE_RANGE_CLOEXEC, 0) === 0) return
      for (const open of readdirSync('/proc/self/fd').map(Number)) {
        if (open >= fd) fcntl(open, F_SETFD, FD_CLOEXEC)
      }
    },
    reap(pid) {
      const result = waitpid(pid, Buffer.alloc(4), WNOHANG)
      return result === pid || (result < 0 && koffi.errno() === errno.ECHILD)
    },
  }
}

function pidfdCalls(koffi: Koffi): Pick<Libc, 'pidfdOpen' | 'pidfdSignal' | 'pidfdExit'> {
  const libc = koffi.load(null)
  const syscall = libc.func(SYSCALL) as Call
  const ioctl = libc.func('int ioctl(int, unsigned long, void *)') as Call
  return {
    pidfdOpen(pid) {
      const fd = syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0)
      if (fd >= 0) return fd
      const code = koffi.errno()
      // EINVAL: not a process but a thread, or no pid at all.
      if (code === errno.ESRCH || code === errno.EINVAL) return null
      throw failure('pidfd_open', code)
    },
    pidfdSignal(pidfd, signal, group) {
      const send = (flags: number): number =>
        syscall(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, 0, flags) === 0 ? 0 : koffi.errno()
      const sent = group ? send(PIDFD_SIGNAL_PROCESS_GROUP) : errno.EINVAL
      // EINVAL: an older kernel; ESRCH: it leads no group. Either way the process alone remains.
      const result = sent === errno.EINVAL || sent === errno.ESRCH ? send(0) : sent
      if (result === 0 || result === errno.EPERM) return true
      if (result === errno.ESRCH) return false
      throw failure('pidfd_send_signal', result)
    },
    pidfdExit(pidfd) {
      const info = Buffer.alloc(PIDFD_INFO_BYTES)
      info.writeBigUInt64LE(BigInt(PIDFD_INFO_EXIT))
      if (ioctl(pidfd, PIDFD_GET_INFO, info) < 0) return null
      if ((info.readUInt32LE(0) & PIDFD_INFO_EXIT) === 0) return null
      return exitFromStatus(info.readInt32LE(PIDFD_INFO_EXIT_AT), 'pidfd')
    },
  }
}

function socketCalls(koffi: Koffi, closeFd: Call): Pick<Libc, 'bindDatagram' | 'receive' | 'send'> {
  const libc = koffi.load(null)
  const socket = libc.func('int socket(int, int, int)') as Call
  const bind = libc.func('int bind(int, void *, unsigned int)') as Call
  const sendto = libc.func('long sendto(int, void *, unsigned long, int, void *, unsigned int)') as Call
  const recv = libc.func('long recv(int, void *, unsigned long, int)') as Call
  const datagram = Buffer.alloc(DATAGRAM_MAX_BYTES)

  return {
    bindDatagram(path, mode) {
      const address = socketAddress(path)
      const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
      if (fd < 0) throw failure('socket', koffi.errno())
      const umask = process.umask(0o777)
      try {
        unlinkIfThere(path)
        if (bind(fd, address, address.length) < 0) throw failure(`bind ${path}`, koffi.errno())
        chmodSync(path, mode)
        return fd
      } catch (error) {
        closeFd(fd)
        throw error
      } finally {
        process.umask(umask)
      }
    },
    send(path, text) {
      const address = socketAddress(path.startsWith('@') ? `\0${path.slice(1)}` : path)
      const length = path.startsWith('@') ? address.length - 1 : address.length
      const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
      if (fd < 0) return false
      const bytes = Buffer.from(text)
      const sent = sendto(fd, bytes, bytes.length, MSG_DONTWAIT, address, length)
      closeFd(fd)
      return sent === bytes.length
    },
    receive(fd) {
      for (;;) {
        const length = recv(fd, datagram, datagram.length, MSG_DONTWAIT)
        if (length >= 0) return Buffer.from(datagram.subarray(0, length))
        const code = koffi.errno()
        if (code === errno.EINTR) continue
        if (code === errno.EAGAIN) return null
        throw failure('recv', code)
      }
    },
  }
}

/** struct sockaddr_un for a path in the file system. */
function socketAddress(path: string): Buffer {
  const bytes = Buffer.from(path)
  if (bytes.length > SOCKET_PATH_MAX_BYTES || bytes.includes(0, 1)) {
    throw new MarkError(
      'MARK_UNSUPPORTED',
      `The socket path ${path} is ${bytes.length} bytes long; Linux allows ${SOCKET_PATH_MAX_BYTES}.`,
      'Set XDG_RUNTIME_DIR to a shorter directory.',
    )
  }
  const address = Buffer.alloc(2 + bytes.length + 1)
  address.writeUInt16LE(AF_UNIX, 0)
  bytes.copy(address, 2)
  return address
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function failure(what: string, number: number): Error {
  const code = ERRNO_NAMES.get(number) ?? `errno ${number}`
  if (isShortage({ code })) return new HostShortage(what, code)
  return new MarkError('MARK_INTERNAL', `The system call ${what} failed: ${code}.`)
}
