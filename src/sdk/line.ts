/**
 * The connection to MARK. Promises: never blocks, never throws, never keeps the process alive, holds the
 * newest of each kind and no history. MARK may be away, slow or restarted at any time: it connects again,
 * with backoff, and says again what is still true.
 */
import { connect, type Socket } from 'node:net'
import { MODULE_LINE_MAX_BYTES, type MarkMessage, type ModuleMessage } from '../contract/module.ts'
import { parseMarkLine } from './incoming-line.ts'
import { lineOf } from './outgoing-line.ts'

export interface LineSetup {
  readonly path: string
  readonly hello: ModuleMessage
  readonly heard: (message: MarkMessage) => void
  /** 0..1, for the jitter. */
  readonly chance: () => number
}

/** Said again on each connection, in this order. */
const STILL_TRUE = ['ready', 'degraded', 'stopping', 'heartbeat']
/** Said once, when it can be. */
const ONCE = ['reconciled', 'crash', 'closing']
/** Beyond this MARK is too slow: only the newest is kept. */
const BUFFER_MAX_BYTES = 65_536
const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 5000
/** A MARK that takes nothing for this long is left: what waits for it must not keep us from ending. */
const STALL_MS = 5000

export class Line {
  readonly #setup: LineSetup
  readonly #newest = new Map<string, string>()
  readonly #owed = new Set<string>()
  #socket: Socket | null = null
  #isUp = false
  #timer: NodeJS.Timeout | null = null
  #stall: NodeJS.Timeout | null = null
  #retryMs = RETRY_MIN_MS
  #rest = ''
  #isOver = false

  constructor(setup: LineSetup) {
    this.#setup = setup
  }

  /** Connects, if it does not already. */
  start(): void {
    if (!this.#socket && !this.#timer && !this.#isOver) this.#connect()
  }

  say(message: ModuleMessage): void {
    const line = lineOf(message)
    if (line === null) return
    const { type } = message
    if (STILL_TRUE.includes(type) || ONCE.includes(type)) {
      this.#newest.set(type, line)
      this.#owed.add(type)
      this.#settle()
    } else if (this.#hasRoom()) this.#send(line)
    this.start()
  }

  /** Ends for good. */
  end(): void {
    this.#isOver = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#socket?.destroy()
  }

  #connect(): void {
    this.#timer = null
    this.#rest = ''
    const socket = connect(this.#setup.path)
    this.#socket = socket
    socket.unref()
    socket.setEncoding('utf8')
    socket.on('connect', () => this.#connected())
    socket.on('data', (text: string) => this.#take(text))
    socket.on('drain', () => this.#settle())
    socket.on('error', () => {}) // `close` follows.
    socket.on('close', () => this.#closed(socket))
  }

  #connected(): void {
    this.#isUp = true
    const hello = lineOf(this.#setup.hello)
    if (hello !== null) this.#send(hello)
    for (const type of STILL_TRUE) if (this.#newest.has(type)) this.#owed.add(type)
    this.#settle()
  }

  /** What is owed, as far as MARK takes it. */
  #settle(): void {
    for (const type of [...STILL_TRUE, ...ONCE]) {
      if (!this.#owed.has(type) || !this.#hasRoom()) continue
      this.#owed.delete(type)
      this.#send(this.#newest.get(type) as string)
      if (ONCE.includes(type)) this.#newest.delete(type)
    }
  }

  #hasRoom(): boolean {
    return this.#isUp && this.#socket !== null && this.#socket.writableLength < BUFFER_MAX_BYTES
  }

  #send(line: string): void {
    const socket = this.#socket
    if (!socket || socket.destroyed) return
    socket.write(line, () => this.#flowed(socket))
    if (socket.writableLength > 0) this.#stall ??= setTimeout(() => socket.destroy(), STALL_MS).unref()
  }

  #flowed(socket: Socket): void {
    if (socket !== this.#socket) return
    if (this.#stall) clearTimeout(this.#stall)
    this.#stall = null
    if (socket.writableLength > 0) this.#stall = setTimeout(() => socket.destroy(), STALL_MS).unref()
    else if (this.#owed.size > 0) this.#settle()
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() as string
    if (this.#rest.length > MODULE_LINE_MAX_BYTES) return void this.#socket?.destroy()
    for (const line of lines) {
      const message = parseMarkLine(line)
      if (message === null) continue
      if (message.type === 'welcome') this.#retryMs = RETRY_MIN_MS
      this.#setup.heard(message)
    }
  }

  #closed(socket: Socket): void {
    if (socket !== this.#socket) return
    this.#socket = null
    this.#isUp = false
    if (this.#stall) clearTimeout(this.#stall)
    this.#stall = null
    if (this.#isOver) return
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs * (0.5 + this.#setup.chance() / 2)).unref()
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }
}
