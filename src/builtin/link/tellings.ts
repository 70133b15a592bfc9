/**
 * What of all that happens is told: at most ten a second of each kind, and how many were left out. Nothing
 * that a client sent is told as it came: what is no name or topic of ordinary letters is masked and cut.
 */
import type { ModuleEventKind } from '../../core/view.ts'

export type Facts = Readonly<Record<string, string>>
export type Tell = (kind: ModuleEventKind, facts: Facts) => void

const PER_SECOND = 10
const SECOND_MS = 1000
const TEXT_MAX_CHARS = 200

export class Tellings {
  readonly #say: Tell
  readonly #counts = new Map<ModuleEventKind, number>()

  constructor(say: Tell) {
    this.#say = say
  }

  tell(kind: ModuleEventKind, facts: Facts): void {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (count === 1) setTimeout(() => this.#secondIsOver(kind), SECOND_MS).unref()
    if (count > PER_SECOND) return
    this.#say(kind, Object.fromEntries(Object.entries(facts).map(([key, text]) => [key, plain(text)])))
  }

  #secondIsOver(kind: ModuleEventKind): void {
    const leftOut = (this.#counts.get(kind) ?? 0) - PER_SECOND
    this.#counts.delete(kind)
    if (leftOut > 0) this.#say(kind, { what: 'left out', left_out: String(leftOut) })
  }
}

function plain(text: string): string {
  const masked = text.replace(/[^\x20-\x7e]/g, '?')
  return masked.length > TEXT_MAX_CHARS ? `${masked.slice(0, TEXT_MAX_CHARS)}...` : masked
}
