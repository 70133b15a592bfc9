/**
 * What the keeper has on disk of its children, kept beside it as text: a save writes what differs, and
 * nothing when nothing does. Decides nothing.
 */
import { DAEMON } from '../core/child-name.ts'
import type { Child } from '../core/child.ts'
import { remember } from '../core/keeper-state.ts'
import type { Plan } from '../core/plan.ts'
import type { JobBook } from '../core/jobs/job-book.ts'
import { formatUtc } from '../core/time.ts'
import type { KillView } from '../core/view.ts'
import type { World } from '../core/world.ts'

/** What of the engine is remembered. */
export interface Remembered {
  readonly world: World
  readonly children: ReadonlyMap<string, Child>
  readonly jobs: JobBook
  readonly plan: Plan | null
  readonly kills: readonly KillView[]
  readonly session: { readonly id: string; readonly open: boolean; readonly closing: boolean }
  readonly startedWallMs: number
}

export class Remembrance {
  /** What of each child is remembered on disk, as JSON text. */
  readonly #texts = new Map<string, string>()
  readonly #touched = new Set<string>()
  #head = ''

  /** The child is another, or gone, since the last save. */
  touch(name: string): void {
    this.#touched.add(name)
  }

  save(of: Remembered): void {
    const changed = new Set([...this.#touched].filter(name => this.#memorize(name, of.children.get(name))))
    this.#touched.clear()
    for (const name of of.jobs.takeTouched()) if (this.#keep(name, of.jobs.entry(name))) changed.add(name)
    const head = headOf(of)
    if (changed.size === 0 && head === this.#head) return
    this.#head = head
    of.world.store.saveChildren({ head, children: this.#texts, changed, saved: of.world.now() })
  }

  /** True when what is remembered of the child is another now. */
  #memorize(name: string, child: Child | undefined): boolean {
    return this.#keep(name, child && remember(child))
  }

  #keep(name: string, value: object | undefined): boolean {
    if (!value) return this.#texts.delete(name)
    const before = this.#texts.get(name)
    const text = JSON.stringify(value)
    this.#texts.set(name, text)
    return text !== before
  }
}

function headOf({ world, children, plan, kills, session, startedWallMs }: Remembered): string {
  const planned = new Set([...(plan?.modules ?? []), ...(plan?.jobs ?? [])].map(({ name }) => name))
  const extras = [...children.values()]
    .map(child => child.spec)
    .filter(spec => !planned.has(spec.name) && spec.name !== DAEMON)
  const { id, open, closing } = session
  return JSON.stringify({
    version: 1,
    open,
    closing,
    session_id: id,
    boot_id: world.bootId,
    keeper: { pid: world.pid, started_at: formatUtc(startedWallMs), version: world.version },
    kills: kills.map(kill => kill.id),
    extras,
  })
}
