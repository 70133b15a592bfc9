/**
 * Unix datagram sockets, which Node does not have: NOTIFY_SOCKET is one. Nothing here waits.
 */
import { unlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { MarkError } from '../core/errors.ts'
import { failure, type Native } from './native.ts'

export interface SocketCalls {
  /**
   * A unix datagram socket at `path` with exactly `mode`; what lay there is unlinked. Path at most 107 bytes.
   */
  bindDatagram(path: string, mode: number): number
  /**
   * One datagram, or null when there is none now. Descriptors sent along are closed by the kernel at once.
   */
  receive(fd: number): Buffer | null
  /** Sends one datagram to a unix socket; `@name` is an abstract one. false: nobody takes it. */
  send(path: string, text: string): boolean
  /** The process that connected this unix stream socket, as it was then; null: the kernel does not say. */
  peer(fd: number): Peer | null
}

export interface Peer {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

export const SOCKET_PATH_MAX_BYTES = 107

const { errno } = constants
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const UCRED_BYTES = 12
const DATAGRAM_MAX_BYTES = 64 * 1024

export function socketCalls(native: Native): SocketCalls {
  const closeFd = native.call('int close(int)')
  const socket = native.call('int socket(int, int, int)')
  const bind = native.call('int bind(int, void *, unsigned int)')
  const sendto = native.call('long sendto(int, void *, unsigned long, int, void *, unsigned int)')
  const recv = native.call('long recv(int, void *, unsigned long, int)')
  const getsockopt = native.call('int getsockopt(int, int, int, void *, void *)')
  const datagram = Buffer.alloc(DATAGRAM_MAX_BYTES)

  return {
    bindDatagram(path, mode) {
      const address = socketAddress(path)
      const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
      if (fd < 0) throw failure('socket', native.errno())
      // By umask and not by chmod: the directory may be a module user's, and the name a link by then.
      const umask = process.umask(0o777 & ~mode)
      try {
        unlinkIfThere(path)
        if (bind(fd, address, address.length) < 0) throw failure(`bind ${path}`, native.errno())
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
        const code = native.errno()
        if (code === errno.EINTR) continue
        if (code === errno.EAGAIN) return null
        throw failure('recv', code)
      }
    },
    peer(fd) {
      const ucred = Buffer.alloc(UCRED_BYTES)
      const length = Buffer.alloc(4)
      length.writeUInt32LE(UCRED_BYTES)
      if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length) < 0) return null
      const pid = ucred.readInt32LE(0)
      // 0: of another pid namespace.
      return pid > 0 ? { pid, uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) } : null
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
