/**
 * Carries out the plan: kills with SIGKILL by pid, each time only what /proc proves to be this fleet's, and
 * remembers what, whom and when. Brings MARK back by a command only where all of it was killed, as SPEC 4
 * says.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PaperFleet } from './fleet.ts'
import { isSame, type Look, type Observer, type Seen } from './observer.ts'
import { statOf } from './proc.ts'
import type { Step, Stroke } from './schedule.ts'

export interface Kill {
  readonly atMs: number
  readonly target: 'module' | 'keeper' | 'daemon' | 'waiting'
  readonly module: string
  readonly pid: number
  readonly start: number
  readonly runId: string | null
  /** The keeper did not serve yet. */
  readonly adopting: boolean
  /** A successor was armed when it was killed. */
  readonly armed: boolean
}

const TARGET_WAIT_MS = 20_000
/** Nobody holds or awaits the lock for this long: all of MARK is gone. */
const GONE_MS = 150
const POLL_MS = 10
const REVIVE_MS = 20_000
const LULL_MAX_MS = 30_000
const LULL_POLL_MS = 100

export class Killer {
  readonly kills: Kill[] = []
  /** When a command brought MARK back, ms since 1970. */
  readonly revivals: number[] = []
  readonly problems: string[] = []
  missed = 0
  readonly #fleet: PaperFleet
  readonly #observer: Observer
  #bootMs = 200
  #stopped = false

  constructor(fleet: PaperFleet, observer: Observer) {
    this.#fleet = fleet
    this.#observer = observer
  }

  stop(): void {
    this.#stopped = true
  }

  async run(steps: readonly Step[], told: (done: number, kills: number) => void): Promise<void> {
    for (const [index, { stroke, pauseMs, pick }] of steps.entries()) {
      if (this.#stopped) return
      await this.#strike(stroke, pick)
      told(index + 1, this.kills.length)
      await sleep(pauseMs)
    }
  }

  /** Until a keeper serves; revives MARK if all of it is gone. null: it did not come in time. */
  async served(): Promise<Look | null> {
    return await this.#until(look => look.keeperServes)
  }

  async #strike(stroke: Stroke, pick: number): Promise<void> {
    switch (stroke.kind) {
      case 'module':
        return await this.#modules(stroke.count, pick)
      case 'keeper':
        return await this.#keeper()
      case 'daemon': {
        const look = await this.#until(found => found.daemon !== null)
        if (look) this.#kill('daemon', look.daemon, look)
        return
      }
      case 'waiting': {
        const look = await this.#until(found => found.waiting.length > 0)
        for (const seen of look?.waiting ?? []) this.#kill('waiting', seen, look as Look)
        return
      }
      case 'pair':
        return await this.#pair(stroke.daemonFirst, stroke.gapMs)
      case 'adopting':
        return await this.#adopting(stroke.at)
      case 'all':
        return await this.#all(pick)
      case 'lull':
        return await this.#lull(stroke.fills)
    }
  }

  async #modules(count: number, pick: number): Promise<void> {
    const look = await this.#until(found => [...found.modules.values()].flat().length >= count)
    if (!look) return
    const live = liveIn(look)
    const from = Math.floor(pick * live.length)
    for (let index = 0; index < count; index++)
      this.#kill('module', live[(from + index) % live.length] ?? null, look)
  }

  async #keeper(): Promise<void> {
    const look = await this.served()
    if (!look || !this.#kill('keeper', look.keeper, look) || look.waiting.length === 0) return
    const killedMs = Date.now()
    const next = await this.#until(found => found.keeperServes && found.keeper?.pid !== look.keeper?.pid)
    if (next) this.#bootMs = 0.8 * this.#bootMs + 0.2 * (next.atMs - killedMs)
  }

  async #pair(daemonFirst: boolean, gapMs: number): Promise<void> {
    const look = await this.#until(found => found.keeperServes && found.daemon !== null)
    if (!look) return
    const both = (['keeper', 'daemon'] as const).map(role => () => this.#kill(role, look[role], look))
    if (daemonFirst) both.reverse()
    both[0]?.()
    await sleep(gapMs)
    both[1]?.()
  }

  async #adopting(at: number): Promise<void> {
    const before = await this.#until(look => look.keeperServes && look.waiting.length > 0)
    if (!before || !this.#kill('keeper', before.keeper, before)) return
    const killedMs = performance.now()
    const dueMs = killedMs + 5 + at * 0.9 * this.#bootMs
    const next = await this.#until(look => look.keeper !== null && look.keeper.pid !== before.keeper?.pid)
    if (!next) return
    await sleep(Math.max(0, dueMs - performance.now()))
    const now = this.#observer.look()
    // Too late to be adopting: aim earlier next time.
    if (now.keeperServes) this.#bootMs *= 0.8
    if (now.keeper?.pid === next.keeper?.pid) this.#kill('keeper', now.keeper, now)
    else this.missed++
  }

  async #all(pick: number): Promise<void> {
    const look = await this.#until(found => found.keeperServes && found.daemon !== null)
    if (!look) return
    for (const seen of look.waiting) this.#kill('waiting', seen, look)
    this.#kill('keeper', look.keeper, look)
    this.#kill('daemon', look.daemon, look)
    const live = liveIn(look)
    this.#kill('module', live[Math.floor(pick * live.length)] ?? null, look)
  }

  /** Best effort: a fleet that does not trade for that long shows in the count of fills. */
  async #lull(fills: number): Promise<void> {
    const until = this.#fleet.fills() + fills
    const deadline = performance.now() + LULL_MAX_MS
    while (!this.#stopped && this.#fleet.fills() < until && performance.now() < deadline) {
      await this.served()
      await sleep(LULL_POLL_MS)
    }
  }

  #kill(target: Kill['target'], seen: Seen | null, look: Look): boolean {
    if (seen === null || !isSame(statOf(seen.pid), seen)) {
      this.missed++
      return false
    }
    const { module, pid, start, runId } = seen
    const adopting = target === 'keeper' && !look.keeperServes
    process.kill(pid, 'SIGKILL')
    this.kills.push({
      atMs: Date.now(),
      target,
      module,
      pid,
      start,
      runId,
      adopting,
      armed: look.waiting.length > 0,
    })
    return true
  }

  /** Looks until `found`; meanwhile it revives MARK when nothing of it is left that could come by itself. */
  async #until(found: (look: Look) => boolean): Promise<Look | null> {
    const deadline = performance.now() + TARGET_WAIT_MS
    let aliveMs = performance.now()
    while (!this.#stopped) {
      const look = this.#observer.look()
      if (found(look)) return look
      const now = performance.now()
      if (look.keeper !== null || look.waiting.length > 0) aliveMs = now
      if (now - aliveMs > GONE_MS) {
        await this.#revive()
        aliveMs = performance.now()
      }
      if (now > deadline) {
        this.problems.push(`nothing to kill for ${TARGET_WAIT_MS / 1000} s: ${describe(look)}`)
        return null
      }
      await sleep(POLL_MS)
    }
    return null
  }

  async #revive(): Promise<void> {
    this.revivals.push(Date.now())
    const before = liveIn(this.#observer.look())
    const { code, stderr } = await this.#fleet.mark(['status'], REVIVE_MS)
    const after = new Set(liveIn(this.#observer.look()))
    // 3, nothing runs, is the truth unless a module lived all the time.
    const isTrue = code === 0 || (code === 3 && !before.some(seen => after.has(seen)))
    if (!isTrue)
      this.problems.push(`\`mark status\` with all of MARK gone ended with ${code}: ${stderr.trim()}`)
  }
}

function liveIn(look: Look): Seen[] {
  return [...look.modules.values()].flat()
}

function describe(look: Look): string {
  const modules = [...look.modules].filter(([, runs]) => runs.length > 0).map(([name]) => name)
  const keeper = look.keeper ? `${look.keeper.pid}${look.keeperServes ? '' : ' (silent)'}` : 'none'
  const waiting = look.waiting.map(seen => seen.pid).join(' ') || 'none'
  const daemon = look.daemon?.pid ?? 'none'
  return `keeper ${keeper}, waiting ${waiting}, daemon ${daemon}, modules ${modules.join(' ')}`
}
