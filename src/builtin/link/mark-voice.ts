/**
 * What the broker says to MARK on MARK_SOCKET. MARK may be away: it connects again and says again what is
 * still true; of what happened meanwhile the newest hundred wait. Never ends the process and never keeps it.
 */
import { connect, type Socket } from 'node:net'
import type { ModuleMessage } from '../../contract/module.ts'

const WAITING_MAX = 100
const UNREAD_MAX_BYTES = 65_536
const RETRY_MS = 500

export class MarkVoice {
  readonly #path: string
  readonly #hello: ModuleMessage
  readonly #standing = new Map<string, ModuleMessage>()
  #waiting: ModuleMessage[] = []
  #socket: Socket | null = null
  #isOver = false

  constructor(path: string, hello: ModuleMessage) {
    this.#path = path
    this.#hello = hello
    this.#connect()
  }

  /** Said again on each connection. */
  stand(message: ModuleMessage): void {
    this.#standing.set(message.type, message)
    if (this.#socket?.writable) this.#write(message)
  }

  say(message: ModuleMessage): void {
    const socket = this.#socket
    if (socket?.writable && socket.writableLength < UNREAD_MAX_BYTES) this.#write(message)
    else this.#waiting = [...this.#waiting, message].slice(-WAITING_MAX)
  }

  end(): void {
    this.#isOver = true
    this.#socket?.end()
  }

  #connect(): void {
    const socket = connect(this.#path)
    socket.unref()
    socket.on('error', () => {}) // `close` follows.
    socket.on('connect', () => {
      this.#socket = socket
      for (const message of [this.#hello, ...this.#standing.values(), ...this.#waiting]) this.#write(message)
      this.#waiting = []
    })
    socket.on('close', () => {
      this.#socket = null
      if (!this.#isOver) setTimeout(() => this.#connect(), RETRY_MS).unref()
    })
    socket.resume()
  }

  #write(message: ModuleMessage): void {
    this.#socket?.write(`${JSON.stringify(message)}\n`)
  }
}
