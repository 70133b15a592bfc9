/** A small MARK at the other end of MARK_SOCKET: hears and says lines, may go away, come back or be deaf. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MarkMessage, type ModuleMessage, parseModuleLine } from '../../src/contract/module.ts'

export class FakeMark {
  readonly dir = mkdtempSync(join(tmpdir(), 'mark-sdk-'))
  readonly path = join(this.dir, 'mark.sock')
  readonly heard: ModuleMessage[] = []
  readonly refused: string[] = []
  connections = 0
  isDeaf = false
  #server: Server | null = null
  readonly #sockets = new Set<Socket>()

  async up(halt: 'pause' | 'halt' | 'flatten' | null = null): Promise<void> {
    rmSync(this.path, { force: true })
    this.#server = createServer(socket => this.#greet(socket, halt)).listen(this.path)
    await once(this.#server, 'listening')
  }

  async down(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    this.#server = null
    if (server) await new Promise(resolve => server.close(resolve))
  }

  async gone(): Promise<void> {
    await this.down()
    rmSync(this.dir, { recursive: true, force: true })
  }

  say(message: MarkMessage): void {
    for (const socket of this.#sockets) socket.write(`${JSON.stringify(message)}\n`)
  }

  of<T extends ModuleMessage['type']>(type: T): Extract<ModuleMessage, { type: T }>[] {
    return this.heard.filter(message => message.type === type) as Extract<ModuleMessage, { type: T }>[]
  }

  #greet(socket: Socket, halt: 'pause' | 'halt' | 'flatten' | null): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    if (this.isDeaf) return void socket.pause()
    const welcome = { type: 'welcome', v: 1, fleet: 'f', module: 'm', run_id: 'r', halt, ts: 1 }
    socket.write(`${JSON.stringify(welcome)}\n`)
    let rest = ''
    socket.setEncoding('utf8').on('data', (text: unknown) => {
      const lines = (rest + String(text)).split('\n')
      rest = lines.pop() as string
      for (const line of lines) {
        const message = parseModuleLine(line)
        if (message === null || 'refused' in message) this.refused.push(line)
        else this.heard.push(message)
      }
    })
  }
}

/** Until it is so; throws after the deadline. */
export async function until(what: string, isSo: () => boolean, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await sleep(5)
  }
}
