/**
 * One connection of a module's process, from hello to its end: reads what it says, answers, passes on how far
 * it is to stop. Whoever breaks the protocol is refused, and the connection ends.
 */
import {
  encodeMark,
  type HaltLevel,
  type MarkMessage,
  type ModuleMessage,
  parseModuleLine,
} from '../../contract/module.ts'
import type { ModuleConnection } from '../../host/module-socket.ts'
import type { Halt } from './halt-level.ts'

export type ModuleEvent = Extract<ModuleMessage, { type: 'event' }>

export interface SessionDeps {
  readonly fleet: string
  readonly module: string
  readonly runId: string
  readonly wallMs: () => number
  readonly halt: () => Halt | null
  readonly heard: (message: ModuleMessage) => void
  /** One of MARK's own modules, which alone may say `event`. */
  readonly isOwn: boolean
  readonly refused: (reason: string) => void
}

export class Session {
  readonly #connection: ModuleConnection
  readonly #deps: SessionDeps
  #greeted = false
  #over = false
  #level: HaltLevel | null = null

  constructor(connection: ModuleConnection, deps: SessionDeps) {
    this.#connection = connection
    this.#deps = deps
    connection.onLine(
      line => this.#hear(line),
      () => this.#refuse('a line is too long'),
    )
  }

  get greeted(): boolean {
    return this.#greeted && !this.#over
  }

  /** What it was told last; null also before hello. */
  get level(): HaltLevel | null {
    return this.#level
  }

  /** Says it where it is news. */
  setHalt(halt: Halt | null): void {
    if (!this.#greeted || this.#over || (halt?.level ?? null) === this.#level) return
    this.#level = halt?.level ?? null
    if (halt === null) this.#say({ type: 'resume' })
    else if (halt.level === 'pause') this.#say({ type: 'pause', reason: halt.reason })
    else this.#say({ type: 'halt', level: halt.level, reason: halt.reason })
  }

  #hear(line: string): void {
    if (this.#over) return
    const message = parseModuleLine(line)
    if (message !== null && 'refused' in message) return this.#refuse(message.refused)
    if (message?.type === 'hello') {
      this.#greet()
      return this.#deps.heard(message)
    }
    if (!this.#greeted) return this.#refuse('its first line is no hello')
    if (message === null) return
    if (message.type === 'event' && !this.#deps.isOwn) return this.#refuse('only MARK says `event`')
    if (message.type === 'ping') this.#say({ type: 'pong', id: message.id, ts: this.#deps.wallMs() })
    this.#deps.heard(message)
  }

  #greet(): void {
    if (this.#greeted) return
    this.#greeted = true
    const { fleet, module, runId, wallMs, halt } = this.#deps
    this.#level = halt()?.level ?? null
    this.#say({ type: 'welcome', v: 1, fleet, module, run_id: runId, halt: this.#level, ts: wallMs() })
  }

  #refuse(reason: string): void {
    this.#over = true
    this.#deps.refused(reason)
    this.#connection.end()
  }

  #say(message: MarkMessage): void {
    this.#connection.write(encodeMark(message))
  }
}
