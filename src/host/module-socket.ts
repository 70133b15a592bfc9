/**
 * The listening end of a MARK_SOCKET: who connects is known by the kernel's word, and all is bounded: lines,
 * connections, connections a second, bytes a second, and what waits for a reader who does not read. What is
 * said before `onLine` waits in the kernel. Never follows a link in the module's own directory.
 */
import { lchownSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Libc } from './libc.ts'
import type { Peer } from './libc-sockets.ts'
import { errnoOf } from './shortage.ts'

export interface ModuleConnection {
  /** Who connected; null: the kernel does not say. */
  readonly peer: Peer | null
  /** One line with its newline. A reader who leaves too much unread is dropped. */
  write(line: string): void
  /** Starts reading. `tooLong`: the line under way is longer than allowed; nothing more is read. */
  onLine(line: (text: string) => void, tooLong: () => void): void
  onClose(callback: () => void): void
  /** Nothing more is read; what was written is still sent. */
  end(): void
}

export interface ModuleSocketOptions {
  readonly path: string
  readonly owner: { readonly uid: number; readonly gid: number } | null
  /** With its newline. */
  readonly lineMaxBytes: number
  readonly libc: Pick<Libc, 'peer'>
  readonly nowMs: () => number
  /** The module's main process: strangers take none of its places. */
  readonly isOwn: (pid: number) => boolean
  readonly onConnection: (connection: ModuleConnection) => void
  /** Closed at once: too many at a time, or in a second. */
  readonly onTurnedAway: () => void
}

export const CONNECTIONS_MAX = 4
export const ACCEPTS_A_SECOND = 20
const UNREAD_MAX_BYTES = 256 * 1024
const READ_A_SECOND_BYTES = 1024 * 1024
const SECOND_MS = 1000
const END_MS = 1000

/**
 * Takes the place of whatever lies at `path`: only one daemon serves a fleet. Rejects with what went wrong;
 * ENOENT: its directory is not there.
 */
export async function listenModule(options: ModuleSocketOptions): Promise<{ close(): void }> {
  // bind() itself would say EACCES.
  lstatSync(dirname(options.path))
  const own = new Door()
  const others = new Door()
  const server = createServer({ pauseOnConnect: true }, socket => {
    // Errors end in `close`; without a listener they would end the process.
    socket.on('error', () => socket.destroy())
    const peer = peerOf(socket, options.libc)
    const door = peer !== null && options.isOwn(peer.pid) ? own : others
    if (door.admits(socket, options.nowMs())) options.onConnection(connectionOf(socket, peer, options))
    else {
      socket.destroy()
      options.onTurnedAway()
    }
  })
  await listen(server, options.path)
  // A listener that fails later stays in place: the next plan or start makes it anew.
  server.on('error', () => server.close())
  try {
    if (options.owner) lchownSync(options.path, options.owner.uid, options.owner.gid)
  } catch (error) {
    server.close()
    throw error
  }
  return {
    close() {
      server.close()
      for (const door of [own, others]) door.close()
    },
  }
}

/** Lets in so many at a time, and so many a second. */
class Door {
  readonly #open = new Set<Socket>()
  #accepts = 0
  #sinceMs = Number.NEGATIVE_INFINITY

  admits(socket: Socket, nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= SECOND_MS) {
      this.#sinceMs = nowMs
      this.#accepts = 0
    }
    if (++this.#accepts > ACCEPTS_A_SECOND || this.#open.size >= CONNECTIONS_MAX) return false
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    return true
  }

  close(): void {
    for (const socket of this.#open) socket.destroy()
  }
}

function peerOf(socket: Socket, libc: ModuleSocketOptions['libc']): Peer | null {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd
  return typeof fd === 'number' && fd >= 0 ? libc.peer(fd) : null
}

function connectionOf(
  socket: Socket,
  peer: Peer | null,
  { lineMaxBytes, nowMs }: ModuleSocketOptions,
): ModuleConnection {
  return {
    peer,
    write(line) {
      if (socket.destroyed || !socket.writable) return
      socket.write(line)
      if (socket.writableLength > UNREAD_MAX_BYTES) socket.destroy()
    },
    onLine(line, tooLong) {
      const take = frames(lineMaxBytes, line, tooLong, () => socket.readable && !socket.destroyed)
      const allow = meter(socket, nowMs)
      socket.on('data', (chunk: Buffer) => {
        allow(chunk.length)
        take(chunk)
      })
      socket.resume()
    },
    onClose(callback) {
      if (socket.destroyed) queueMicrotask(callback)
      else socket.once('close', callback)
    },
    end() {
      socket.removeAllListeners('data')
      socket.pause()
      socket.end()
      setTimeout(() => socket.destroy(), END_MS).unref()
    },
  }
}

/** Cuts bytes into lines; holds at most one line that is not complete. */
export function frames(
  maxBytes: number,
  line: (text: string) => void,
  tooLong: () => void,
  goesOn: () => boolean,
): (chunk: Buffer) => void {
  let held: Buffer | null = null
  let filled = 0
  let over = false
  return chunk => {
    let at = 0
    while (!over && goesOn()) {
      const newline = chunk.indexOf(10, at)
      const piece = chunk.subarray(at, newline < 0 ? chunk.length : newline)
      if (filled + piece.length >= maxBytes) {
        over = true
        held = null
        return tooLong()
      }
      if (newline < 0 || filled > 0) {
        held ??= Buffer.allocUnsafe(maxBytes)
        filled += piece.copy(held, filled)
      }
      if (newline < 0) return
      const text = (filled > 0 && held ? held.subarray(0, filled) : piece).toString('utf8')
      held = null
      filled = 0
      at = newline + 1
      if (text !== '') line(text)
    }
  }
}

/** Who says more than its share waits in the kernel until the second is over. */
function meter(socket: Socket, nowMs: () => number): (bytes: number) => void {
  let sinceMs = nowMs()
  let read = 0
  return bytes => {
    const atMs = nowMs()
    if (atMs - sinceMs >= SECOND_MS) {
      sinceMs = atMs
      read = 0
    }
    read += bytes
    if (read <= READ_A_SECOND_BYTES || socket.isPaused()) return
    socket.pause()
    setTimeout(() => socket.resume(), Math.max(1, sinceMs + SECOND_MS - atMs)).unref()
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // The socket is made within listen(): nobody else can reach it before its mode is set.
    const umask = process.umask(0o177)
    try {
      try {
        unlinkSync(path)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error
      }
      server.once('error', reject)
      server.listen(path, () => {
        server.removeListener('error', reject)
        resolve()
      })
    } catch (error) {
      reject(error as Error)
    } finally {
      process.umask(umask)
    }
  })
}
