/**
 * What the runs say of themselves, judged: readiness and health go to whoever tells the keeper, when they
 * change, and again after the link was down (levels, not edges). One timer, set for the earliest silence.
 * Judges silence only after everything that has arrived is read. Never ends anything itself.
 */
import type { Heartbeat, ModuleMessage } from '../../contract/module.ts'
import { type HeartbeatVerdict, judgeHeartbeat, silentAtMs, watcherWasAway } from '../../core/heartbeat.ts'
import type { HeartbeatSpec, ModuleSpec, Plan } from '../../core/plan.ts'
import type { Health, ModuleState, ModuleView } from '../../core/view.ts'
import {
  AT_THE_FOOT,
  climb,
  FOUND_PAUSED,
  type Ladder,
  LADDER_OFF,
  type LadderMove,
  nextRungMs,
} from '../../core/stale-ladder.ts'
import type { Clock } from '../../host/clock.ts'
import type { SaidRecord } from '../../contract/api.ts'
import { feedHours, type FeedsDue } from './feed-hours.ts'
import { saidRecord } from './said-record.ts'
import { type LastWords, listen, newVoice, type Voice } from './voice.ts'

export interface VoicesDeps {
  readonly clock: Clock
  readonly tell: (module: string, runId: string, found: 'ready' | Health, reason: string) => void
  /** What is due for a run that is stale, or was. */
  readonly move: (module: string, runId: string, move: LadderMove, reason: string) => void
  /** Whether a run was paused for being stale, by a daemon before. */
  readonly wasPaused: (module: string, runId: string) => boolean
  /** It says whether its books agree. */
  readonly reconciled: (module: string, runId: string, ok: boolean, detail: string | null) => void
  /** What is shown of the module has changed. */
  readonly changed: (module: string) => void
}

export interface VoiceView extends HeartbeatVerdict {
  readonly degraded: string | null
}

export interface Remains {
  readonly heartbeat: Heartbeat | null
  /** What its main process said had ended it. */
  readonly crash: LastWords['crash']
}

interface Kept extends Voice {
  /** Its main process as the keeper shows it; null: not seen yet. */
  pid: number | null
  /** As the keeper shows the run; null: not seen yet. */
  state: ModuleState | null
  toldReady: boolean
  told: Health | null
  ladder: Ladder
  shown: string
}

const RUNS_A_MODULE = 4
/** A timer as late as this means that we were away ourselves. */
const LATE_MS = 1000

export class Voices {
  readonly #deps: VoicesDeps
  readonly #voices = new Map<string, Kept>()
  readonly #halted = new Set<string>()
  #specs = new Map<string, ModuleSpec>()
  #feedsDue: FeedsDue = () => Number.POSITIVE_INFINITY
  #linkUp = false
  #timer: NodeJS.Timeout | null = null
  #dueMs = Number.POSITIVE_INFINITY

  constructor(deps: VoicesDeps) {
    this.#deps = deps
  }

  setPlan(plan: Plan): void {
    this.#specs = new Map(plan.modules.map(spec => [spec.name, spec]))
    this.#feedsDue = feedHours(plan)
    for (const voice of [...this.#voices.values()]) {
      if (this.#specs.has(voice.module)) this.#judge(voice)
      else this.#voices.delete(voice.runId)
    }
  }

  /** The keeper's newest view of one module. */
  observe(view: ModuleView): void {
    const incoming = view.spares.map(spare => [spare.run_id, spare.pid, 'starting'] as const)
    for (const [runId, pid, state] of [...incoming, [view.run_id, view.pid, view.state] as const]) {
      const voice = runId === null ? undefined : this.#voices.get(runId)
      if (!voice || voice.module !== view.name) continue
      voice.state = state
      voice.pid = pid ?? voice.pid
      this.#judge(voice)
    }
  }

  connected(module: string, runId: string): void {
    const known = this.#voices.get(runId)
    if (known) {
      known.connections++
      return
    }
    const ladder = this.#deps.wasPaused(module, runId) ? FOUND_PAUSED : AT_THE_FOOT
    const first = { pid: null, state: null, toldReady: false, told: null, ladder, shown: '' }
    const voice: Kept = { ...newVoice(module, runId), ...first, connections: 1 }
    this.#voices.set(runId, voice)
    const all = [...this.#voices.values()].filter(other => other.module === module)
    if (all.length > RUNS_A_MODULE) this.#voices.delete((all[0] as Kept).runId)
  }

  disconnected(runId: string): void {
    const voice = this.#voices.get(runId)
    if (voice) voice.connections--
  }

  heard(runId: string, pid: number, message: ModuleMessage): void {
    const voice = this.#voices.get(runId)
    if (!voice) return
    listen(voice, pid, message, this.#deps.clock.now())
    if (message.type === 'reconciled' && voice.reconciled) {
      const { ok, detail } = voice.reconciled
      this.#deps.reconciled(voice.module, runId, ok, detail ?? null)
    }
    this.#judge(voice)
  }

  /** MARK tells the module to pause or halt: the state it then has is not held against it. */
  setHalted(module: string, halted: boolean): void {
    if (halted === this.#halted.has(module)) return
    if (halted) this.#halted.add(module)
    else this.#halted.delete(module)
    for (const voice of this.#voices.values()) if (voice.module === module) this.#judge(voice)
  }

  linkDown(): void {
    this.#linkUp = false
  }

  linkUp(): void {
    this.#linkUp = true
    for (const voice of this.#voices.values()) {
      voice.toldReady = false
      voice.told = null
      this.#judge(voice)
    }
  }

  /** null: this run never said anything. */
  of(runId: string): VoiceView | null {
    const voice = this.#voices.get(runId)
    return voice ? { ...this.#verdict(voice), degraded: voice.degraded } : null
  }

  /** Whether an SDK speaks for it. */
  hasSdk(runId: string): boolean {
    return this.#voices.get(runId)?.sdk != null
  }

  /** All that the run said of itself, as it is shown; null: nothing yet. */
  saidBy(runId: string): SaidRecord | null {
    const voice = this.#voices.get(runId)
    return voice ? saidRecord(voice) : null
  }

  /** How its process `pid` said that it would end. */
  lastWords(runId: string, pid: number): LastWords | null {
    return this.#voices.get(runId)?.lastWords.get(pid) ?? null
  }

  /** Runs that were seen and are not among these any more. */
  missing(runIds: ReadonlySet<string>): string[] {
    return [...this.#voices.values()]
      .filter(voice => voice.state !== null && !runIds.has(voice.runId))
      .map(voice => voice.runId)
  }

  /** The run has ended: what is kept of it. */
  forget(runId: string): Remains {
    const voice = this.#voices.get(runId)
    this.#voices.delete(runId)
    const words = voice?.pid == null ? null : voice.lastWords.get(voice.pid)
    return { heartbeat: voice?.heartbeat ?? null, crash: words?.crash ?? null }
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#voices.clear()
  }

  /** Does what is due; called by the timer, and by tests with a fake clock. */
  tick(): void {
    const nowMs = this.#deps.clock.now().monoMs
    const wasAway = nowMs - this.#dueMs > LATE_MS
    this.#dueMs = Number.POSITIVE_INFINITY
    for (const voice of this.#voices.values()) {
      const spec = this.#specOf(voice)
      if (spec && wasAway) voice.watch = watcherWasAway(voice.watch, spec, nowMs)
      this.#judge(voice)
    }
  }

  #specOf(voice: Voice): HeartbeatSpec | null {
    return this.#specs.get(voice.module)?.heartbeat ?? null
  }

  #verdict(voice: Kept): HeartbeatVerdict {
    const paused = voice.ladder.taken.includes('pause')
    const spec = this.#specOf(voice)
    const now = this.#deps.clock.now()
    const given = {
      halted: this.#halted.has(voice.module),
      paused,
      connected: voice.connections > 0,
      feedsDueMs: this.#feedsDue(spec, now.wallMs - (now.monoMs - (voice.watch.beatMs ?? now.monoMs))),
    }
    return judgeHeartbeat(spec, voice.watch, given, now.monoMs)
  }

  #judge(voice: Kept): void {
    const verdict = this.#verdict(voice)
    this.#tell(voice, verdict)
    this.#climb(voice, verdict)
    this.#schedule(voice)
    const shown = JSON.stringify([verdict.health, verdict.tradingState, voice.degraded])
    if (shown === voice.shown) return
    voice.shown = shown
    this.#deps.changed(voice.module)
  }

  #tell(voice: Kept, { health, reason }: HeartbeatVerdict): void {
    if (!this.#linkUp) return
    const { module, runId, state } = voice
    const ready = this.#specs.get(module)?.ready.kind
    // As with READY=1: who is asked otherwise whether it is ready is not believed.
    if (
      voice.ready &&
      !voice.toldReady &&
      state === 'starting' &&
      (ready === 'notify' || ready === 'delay')
    ) {
      voice.toldReady = true
      this.#deps.tell(module, runId, 'ready', 'its socket')
    }
    if (state !== 'ready' || health === 'unknown' || voice.told === health) return
    voice.told = health
    this.#deps.tell(module, runId, health, reason)
  }

  #climb(voice: Kept, { health, reason }: HeartbeatVerdict): void {
    // Nobody is there to take a rung: it is taken when the keeper is back.
    if (!this.#linkUp || voice.state !== 'ready') return
    const { module, runId } = voice
    const spec = this.#specOf(voice)?.ladder ?? LADDER_OFF
    const { ladder, moves } = climb(spec, voice.ladder, health, this.#deps.clock.now().monoMs)
    voice.ladder = ladder
    for (const move of moves) this.#deps.move(module, runId, move, reason)
  }

  /** Silence only moves further away: a timer that is set already may stay. */
  #schedule(voice: Kept): void {
    const spec = this.#specOf(voice)
    const nowMs = this.#deps.clock.now().monoMs
    const wakes = [silentAtMs(spec, voice.watch), nextRungMs(spec?.ladder ?? LADDER_OFF, voice.ladder)]
    const atMs = Math.min(...wakes.map(wakeMs => (wakeMs !== null && wakeMs > nowMs ? wakeMs : Infinity)))
    if (atMs >= this.#dueMs) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#dueMs = atMs
    // What came meanwhile is read between the timer and setImmediate.
    this.#timer = setTimeout(() => setImmediate(() => this.tick()), Math.ceil(atMs - nowMs))
    this.#timer.unref()
  }
}
