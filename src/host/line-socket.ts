/**
 * Newline-delimited JSON over unix sockets, and the keeper's client on top of it. Every line, queue and wait
 * is bounded: a line that is too long ends the connection, a reader that is too slow is dropped, silence ends
 * in an error. Never takes a socket path away from someone who answers on it.
 */
import { chmodSync, rmSync } from 'node:fs'
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net'
import type { Answer, Ask, Push } from '../contract/keeper.ts'
import { MarkError } from '../core/errors.ts'
import { errnoOf } from './shortage.ts'

export interface Connection {
  /** Sends one JSON line. false (and closed) when more than 16 MB wait for a slow reader, or when closed. */
  send(value: unknown): boolean
  /** As `send` for each, written as one. */
  sendAll(values: readonly unknown[]): boolean
  /** Starts reading; lines come without their newline. */
  onLine(callback: (line: string) => void): void
  onClose(callback: () => void): void
  close(): void
}

export interface Server {
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

export interface ListenOptions {
  readonly mode: number
  readonly maxLineBytes: number
  readonly onConnection: (connection: Connection) => void
}

const QUEUE_MAX_BYTES = 16 * 1024 * 1024
const PATH_MAX_BYTES = 107
const PROBE_MS = 1_000
const EARLY_MAX = 10_000
/** As LINE_MAX_BYTES of the protocol, for what the keeper sends. */
const REPLY_MAX_BYTES = 32 * 1024 * 1024

/** Listens at `path`. A dead socket there is removed; MARK_BUSY when somebody answers on it. */
export async function listenLines(path: string, options: ListenOptions): Promise<Server> {
  checkPath(path)
  if (await answers(path)) {
    throw new MarkError('MARK_BUSY', `Another process answers on ${path}.`, 'Only one may serve a fleet.')
  }
  rmSync(path, { force: true })
  const open = new Set<Connection>()
  const server = createServer(socket => {
    const connection = wrap(socket, options.maxLineBytes)
    open.add(connection)
    connection.onClose(() => open.delete(connection))
    options.onConnection(connection)
  })
  await listen(server, path)
  chmodSync(path, options.mode)
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const connection of open) connection.close()
      }),
  }
}

/**
 * Connects within `timeoutMs`. MARK_NOT_RUNNING when nobody listens, MARK_KEEPER_SILENT when it takes too
 * long.
 */
export function connectLines(
  path: string,
  options: { readonly timeoutMs: number; readonly maxLineBytes: number },
): Promise<Connection> {
  checkPath(path)
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const timer = setTimeout(() => {
      socket.destroy()
      reject(silent(path, options.timeoutMs))
    }, options.timeoutMs)
    socket.once('error', error => {
      clearTimeout(timer)
      reject(connectError(path, error))
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      resolve(wrap(socket, options.maxLineBytes))
    })
  })
}

/** One ask, one answer, within `timeoutMs` in all. Throws the keeper's own error, or as `connectLines`. */
export async function askKeeper(path: string, ask: Ask, timeoutMs: number): Promise<unknown> {
  const deadline = performance.now() + timeoutMs
  const client = await KeeperClient.connect(path, timeoutMs)
  try {
    return await client.ask(ask, Math.max(1, deadline - performance.now()))
  } finally {
    client.close()
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: MarkError) => void
  readonly timer: NodeJS.Timeout | null
}

/** A connection to the keeper: asks are matched with their answers, pushes come in order. */
export class KeeperClient {
  readonly #connection: Connection
  readonly #path: string
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #closed = false
  #onPush: ((push: Push) => void) | null = null
  /** Pushes that came before `onPush`: they belong to whoever will listen. */
  #early: Push[] = []
  #onClose: (() => void)[] = []

  private constructor(connection: Connection, path: string) {
    this.#connection = connection
    this.#path = path
    connection.onClose(() => this.#lost())
    connection.onLine(line => this.#receive(line))
  }

  static async connect(path: string, timeoutMs: number): Promise<KeeperClient> {
    return new KeeperClient(await connectLines(path, { timeoutMs, maxLineBytes: REPLY_MAX_BYTES }), path)
  }

  /** The answer's value. `timeoutMs` null waits as long as the connection lives. */
  ask(ask: Ask, timeoutMs: number | null = 30_000): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      const expire = (): void => {
        this.#waiting.delete(id)
        reject(silent(this.#path, timeoutMs ?? 0))
      }
      const timer = timeoutMs === null ? null : setTimeout(expire, timeoutMs)
      this.#waiting.set(id, { resolve, reject, timer })
      if (this.#closed || !this.#connection.send({ ...ask, id })) this.#lost()
    })
  }

  onPush(callback: (push: Push) => void): void {
    this.#onPush = callback
    for (const push of this.#early.splice(0)) callback(push)
  }

  /** Called once, also when the connection is lost already. */
  onClose(callback: () => void): void {
    if (this.#closed) queueMicrotask(callback)
    else this.#onClose.push(callback)
  }

  close(): void {
    this.#connection.close()
  }

  #receive(line: string): void {
    const message = parseReply(line)
    if (message === null) {
      this.close()
      return
    }
    if ('push' in message) {
      if (this.#onPush) this.#onPush(message)
      else if (this.#early.push(message) > EARLY_MAX) this.close()
      return
    }
    const waiting = this.#waiting.get(message.id)
    if (!waiting) return
    this.#waiting.delete(message.id)
    if (waiting.timer) clearTimeout(waiting.timer)
    if (message.ok) waiting.resolve(message.value)
    else waiting.reject(MarkError.fromBody(message.error))
  }

  #lost(): void {
    this.#closed = true
    for (const { reject, timer } of this.#waiting.values()) {
      if (timer) clearTimeout(timer)
      reject(
        new MarkError('MARK_NOT_RUNNING', 'The keeper went away before it answered.', 'Run `mark status`.'),
      )
    }
    this.#waiting.clear()
    for (const callback of this.#onClose.splice(0)) callback()
  }
}

function parseReply(line: string): Answer | Push | null {
  try {
    const value = JSON.parse(line) as Record<string, unknown> | null
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
    const isAnswer = Number.isSafeInteger(value.id) && (value.ok === true || typeof value.error === 'object')
    return isAnswer || typeof value.push === 'string' ? (value as unknown as Answer | Push) : null
  } catch {
    return null
  }
}

function wrap(socket: Socket, maxLineBytes: number): Connection {
  let parts: Buffer[] = []
  let pendingBytes = 0
  // Errors end in `close`; without a listener they would end the process.
  socket.on('error', () => socket.destroy())

  const take = (chunk: Buffer, emit: (line: string) => void): void => {
    let at = 0
    for (let newline = chunk.indexOf(10); newline >= 0; newline = chunk.indexOf(10, at)) {
      parts.push(chunk.subarray(at, newline))
      pendingBytes += newline - at
      at = newline + 1
      if (pendingBytes > maxLineBytes) break
      const line = Buffer.concat(parts).toString('utf8')
      parts = []
      pendingBytes = 0
      if (line !== '') emit(line)
      if (socket.destroyed) return
    }
    parts.push(chunk.subarray(at))
    pendingBytes += chunk.length - at
    if (pendingBytes > maxLineBytes) socket.destroy()
  }

  const sendAll = (values: readonly unknown[]): boolean => {
    if (socket.destroyed || !socket.writable) return false
    socket.write(values.map(value => `${JSON.stringify(value)}\n`).join(''))
    if (socket.writableLength <= QUEUE_MAX_BYTES) return true
    socket.destroy()
    return false
  }

  return {
    send: value => sendAll([value]),
    sendAll,
    onLine(callback) {
      socket.on('data', (chunk: Buffer) => take(chunk, callback))
    },
    onClose(callback) {
      if (socket.destroyed) queueMicrotask(callback)
      else socket.on('close', callback)
    },
    close() {
      socket.end()
      // A peer that never reads would keep the connection half open for ever.
      setTimeout(() => socket.destroy(), PROBE_MS).unref()
    },
  }
}

function listen(server: NetServer, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // The socket is made within listen(): nobody else can reach it before its mode is set.
    const umask = process.umask(0o177)
    try {
      server.once('error', reject)
      server.listen(path, () => resolve())
    } finally {
      process.umask(umask)
    }
  })
}

/**
 * Does anybody accept on this path? No answer in time counts as yes: a stopped process still owns its socket.
 */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    const settle = (answer: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => settle(true), PROBE_MS)
    socket.once('connect', () => settle(true))
    socket.once('error', error => settle(errnoOf(error) === 'EAGAIN'))
  })
}

function checkPath(path: string): void {
  const length = Buffer.byteLength(path)
  if (length <= PATH_MAX_BYTES) return
  throw new MarkError(
    'MARK_UNSUPPORTED',
    `The socket path ${path} is ${length} bytes long; Linux allows ${PATH_MAX_BYTES}.`,
    'Set XDG_RUNTIME_DIR to a shorter directory.',
  )
}

function connectError(path: string, error: Error): MarkError {
  const code = errnoOf(error)
  // ECONNRESET: it was still listening, and ended or changed before it took the connection.
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET') {
    return new MarkError('MARK_NOT_RUNNING', `Nobody listens on ${path}.`, 'Start the fleet with `mark up`.')
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new MarkError(
      'MARK_DENIED',
      `You may not talk to ${path}.`,
      'Use the account that runs the fleet, or root.',
    )
  }
  return new MarkError('MARK_KEEPER_SILENT', `Cannot connect to ${path}: ${code ?? error.message}.`)
}

function silent(path: string, timeoutMs: number): MarkError {
  return new MarkError(
    'MARK_KEEPER_SILENT',
    `No answer on ${path} within ${Math.round(timeoutMs)} ms.`,
    'The process behind it hangs or is stopped; `mark status` answers from disk.',
  )
}
