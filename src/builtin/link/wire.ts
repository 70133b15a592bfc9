/**
 * What the broker gets in place of a socket: bounded both ways. A frame that is too large ends it before its
 * bytes are kept; what its reader has not taken waits here and blocks nobody, until it is too much.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { FrameGuard } from './frame-guard.ts'

export const FRAME_MAX_BYTES = 256 * 1024
/** `write` says so by answering false; the broker then ends the connection. */
export const WAITING_MAX_BYTES = 8 * 1024 * 1024
const READ_BYTES = 64 * 1024

export class FrameTooLarge extends Error {
  constructor() {
    super(`a frame of more than ${FRAME_MAX_BYTES} bytes`)
  }
}

export class Wire extends Duplex {
  readonly #socket: Socket

  constructor(socket: Socket) {
    super({ readableHighWaterMark: READ_BYTES, writableHighWaterMark: WAITING_MAX_BYTES })
    this.#socket = socket
    const guard = new FrameGuard(FRAME_MAX_BYTES)
    socket.on('data', (chunk: Buffer) => {
      if (!guard.take(chunk)) this.destroy(new FrameTooLarge())
      else if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', error => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}
