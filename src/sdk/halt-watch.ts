/**
 * Calls the module back when its halt level changes: the strictest of what the file says, looked at twice a
 * second, and what MARK says. A callback that comes late is told what holds. What MARK said last holds until
 * it says otherwise: a connection that ends never resumes trading.
 */
import type { HaltLevel } from '../contract/module.ts'
import { haltLevelOf, strictest } from './halt-file.ts'

export interface Halt {
  readonly level: 'halt' | 'flatten'
  readonly reason: string | null
}

export interface HaltCallbacks {
  pause(reason: string | null): unknown
  resume(): unknown
  halt(halt: Halt): unknown
}

type Listener = {
  readonly [Kind in keyof HaltCallbacks]: { readonly kind: Kind; readonly call: HaltCallbacks[Kind] }
}[keyof HaltCallbacks] & { told: HaltLevel | null }

const LOOK_MS = 500

export class HaltWatch {
  readonly #file: string | null
  readonly #listeners: Listener[] = []
  #said: HaltLevel | null = null
  #reason: string | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(file: string | null) {
    this.#file = file
  }

  on<K extends keyof HaltCallbacks>(kind: K, call: HaltCallbacks[K]): void {
    this.#listeners.push({ kind, call, told: null } as unknown as Listener)
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref()
    queueMicrotask(() => this.look())
  }

  /** What MARK says on the socket. */
  say(level: HaltLevel | null, reason: string | null): void {
    this.#said = level
    this.#reason = reason
    this.look()
  }

  end(): void {
    if (this.#timer) clearInterval(this.#timer)
  }

  look(): void {
    if (this.#listeners.length === 0) return
    const level = strictest(this.#file === null ? null : haltLevelOf(this.#file), this.#said)
    const reason = level !== null && level === this.#said ? this.#reason : null
    for (const listener of this.#listeners) {
      if (listener.told === level) continue
      listener.told = level
      // Each on its own: what one of them throws is the module's to see, and keeps no other from being told.
      void Promise.resolve().then(() => tell(listener, level, reason))
    }
  }
}

function tell(listener: Listener, level: HaltLevel | null, reason: string | null): unknown {
  if (listener.kind === 'resume') return level === null ? listener.call() : undefined
  if (listener.kind === 'pause') return level === 'pause' ? listener.call(reason) : undefined
  return level === 'halt' || level === 'flatten' ? listener.call({ level, reason }) : undefined
}
