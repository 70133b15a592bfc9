/**
 * The doors of the broker: its unix socket, which every account of the host may reach because a password
 * protects it, and a port of loopback where one is asked for. A port that is taken is tried again each
 * second; the unix socket works meanwhile.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'

const RETRY_MS = 1000

/** Takes the place of what lies at `path`: MARK runs one broker a fleet. */
export async function listenUnix(path: string, take: (socket: Socket) => void): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer(take)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, backlog: 1024 }, resolve)
  })
  chmodSync(path, 0o666)
  return server
}

export class Port {
  readonly #address: string
  readonly #take: (socket: Socket) => void
  /** null: it listens. */
  readonly #trouble: (reason: string | null) => void
  #server: Server | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(address: string, take: (socket: Socket) => void, trouble: (reason: string | null) => void) {
    this.#address = address
    this.#take = take
    this.#trouble = trouble
    this.#listen()
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#server?.close()
  }

  #listen(): void {
    const colon = this.#address.lastIndexOf(':')
    const host = this.#address.slice(0, colon).replace(/^\[|\]$/g, '')
    const server = createServer({ noDelay: true }, this.#take)
    this.#server = server
    server.once('error', (error: NodeJS.ErrnoException) => {
      this.#trouble(`${this.#address} cannot be listened on: ${error.code}`)
      this.#timer = setTimeout(() => this.#listen(), RETRY_MS)
    })
    server.listen({ port: Number(this.#address.slice(colon + 1)), host }, () => this.#trouble(null))
  }
}
