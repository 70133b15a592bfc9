/**
 * A host in memory: disk, processes and clock that outlive the keeper, and a World on them that can kill the
 * keeper before or after any call. Processes behave as their module's nature says; everything follows one
 * seed.
 */
import type { Hook, Run } from '../../src/core/child.ts'
import { type Exit, UNKNOWN_EXIT } from '../../src/core/exit.ts'
import {
  withJobsApart,
  type ChildrenDocument,
  recordsOf,
  type RunRecord,
} from '../../src/core/keeper-state.ts'
import type { ModuleSpec, Plan } from '../../src/core/plan.ts'
import type { FleetEvent, KillView } from '../../src/core/view.ts'
import type { Hearing, ChildrenSave, SpawnRequest, World } from '../../src/core/world.ts'
import { type Nature, type Process, random } from './sim-nature.ts'

const NEVER = Number.POSITIVE_INFINITY

export class KeeperDied extends Error {}

export class SimHost {
  readonly chance: () => number
  monoMs = 1000
  wallMs = 1_700_000_000_000
  boot = 1
  plan: Plan | null = null
  children: string | null = null
  readonly runs = new Map<string, RunRecord>()
  readonly evidence = new Map<string, Exit>()
  readonly journal: FleetEvent[] = []
  kills: KillView[] = []
  readonly processes = new Map<number, Process>()
  readonly deaths = new Map<string, { exit: Exit; witnessed: boolean }>()
  readonly natures = new Map<string, Nature>()
  world: SimWorld | null = null
  daemonAlive = false
  /** Every spawn of a main process, for the oracle. */
  onSpawn: (process: Process) => void = () => {}
  /** Set by a story, which then drives all: how a process ends that is told to (null: not). Hooks wait. */
  obey: ((process: Process) => Exit | null) | null = null
  #nextPid = 100
  #ids = 0
  #queue: { at: number; task: () => void }[] = []

  constructor(seed: number) {
    this.chance = random(seed)
  }

  remember(facts: Partial<Pick<SimHost, 'plan' | 'children' | 'kills'>>): void {
    Object.assign(this, facts)
  }

  id(): string {
    this.#ids++
    return String(this.#ids).padStart(8, '0')
  }

  after(delayMs: number, task: () => void): void {
    this.#queue.push({ at: this.monoMs + delayMs, task })
    this.#queue.sort((a, b) => a.at - b.at)
  }

  /** Advances to the next thing due before `untilMs` and does it; false when nothing is. */
  stepUntil(untilMs: number): boolean {
    const keeperAt = this.world?.wakeMs ?? NEVER
    const otherAt = this.#queue[0]?.at ?? NEVER
    const at = Math.max(this.monoMs, Math.min(keeperAt, otherAt))
    if (at > untilMs || at === NEVER) {
      this.#pass(untilMs)
      return false
    }
    this.#pass(at)
    if (otherAt <= keeperAt) this.#queue.shift()?.task()
    else this.guard(() => this.world?.wake())
    return true
  }

  /** When the next thing is due; Infinity: never. */
  get nextMs(): number {
    return Math.min(this.world?.wakeMs ?? NEVER, this.#queue[0]?.at ?? NEVER)
  }

  #pass(at: number): void {
    this.wallMs += at - this.monoMs
    this.monoMs = at
  }

  /** Runs something of the keeper's; its death is a fact of the simulation, not an error of the test. */
  guard(task: () => void): boolean {
    try {
      task()
      return true
    } catch (error) {
      if (!(error instanceof KeeperDied)) throw error
      this.world = null
      return false
    }
  }

  nature(module: string): Nature {
    return this.natures.get(module) as Nature
  }

  start(request: SpawnRequest): Process {
    const module = request.spec.name
    const pid = this.#nextPid++
    const process: Process = {
      pid,
      runId: request.runId,
      module,
      slot: request.slot,
      main: true,
      startTime: pid * 7,
      why: request.why,
      alive: true,
      exit: null,
    }
    this.processes.set(pid, process)
    this.onSpawn(process)
    if (module.startsWith('@')) {
      this.daemonAlive = true
      this.after(30, () => this.daemonConnects())
      return process
    }
    this.#live(process, this.nature(module))
    return process
  }

  #live(process: Process, nature: Nature): void {
    this.after(nature.readyAfterMs * (0.5 + this.chance()), () => {
      if (process.alive) this.guard(() => this.world?.hearing?.notified(process.slot, 'READY=1'))
    })
    if (this.chance() < nature.litters) {
      const pid = this.#nextPid++
      this.processes.set(pid, { ...process, pid, main: false, startTime: pid * 7 })
    }
    if (nature.crashEveryMs !== NEVER) {
      const code = nature.codes[Math.floor(this.chance() * nature.codes.length)] as number
      this.after(-Math.log(1 - this.chance()) * nature.crashEveryMs, () => this.die(process, exitOf(code)))
    }
  }

  /** A process ends. What keeper and daemon can know of it depends on who is alive now. */
  die(process: Process, exit: Exit): void {
    if (!process.alive) return
    process.alive = false
    process.exit = exit
    if (!process.main) return
    if (process.module.startsWith('@')) this.daemonAlive = false
    const witnessed = this.daemonAlive && !process.module.startsWith('@')
    this.deaths.set(process.runId, { exit, witnessed })
    if (this.daemonAlive && !process.module.startsWith('@')) this.evidence.set(process.runId, exit)
    this.after(0.1, () => this.guard(() => this.world?.hears(process)))
  }

  /** The daemon reaches a keeper, new or old: what it saw is written down, and probes answer. */
  daemonConnects(): void {
    if (this.daemonAlive && this.world) this.guard(() => this.world?.daemonHello())
  }

  reboot(): void {
    this.world = null
    this.boot++
    this.daemonAlive = false
    for (const process of this.processes.values()) {
      if (process.alive && process.main)
        this.deaths.set(process.runId, { exit: UNKNOWN_EXIT, witnessed: false })
      process.alive = false
    }
    this.evidence.clear()
    this.#queue = []
    this.monoMs = 500
    this.wallMs += 60_000
  }

  living(module: string): Process[] {
    return [...this.processes.values()].filter(process => process.alive && process.module === module)
  }
}

export function exitOf(code: number): Exit {
  if (code >= 0) return { known: true, code, signal: null, core: false, oom: null, evidence: 'wait' }
  return {
    known: true,
    code: null,
    signal: code === -9 ? 'SIGKILL' : 'SIGTERM',
    core: false,
    oom: null,
    evidence: 'wait',
  }
}

export class SimWorld implements World {
  readonly host: SimHost
  readonly bootId: string
  readonly version = 'sim'
  readonly pid: number
  hearing: Hearing | null = null
  daemonHello: () => void = () => {}
  wakeMs: number | null = null
  left = false
  /** World calls until the keeper dies; Infinity: it does not. */
  fuse = NEVER
  readonly #watched = new Set<string>()
  #gathering = false
  readonly #gathered: FleetEvent[] = []

  constructor(host: SimHost, pid: number) {
    this.host = host
    this.pid = pid
    this.bootId = `boot-${host.boot}`
  }

  /** Every call may be the keeper's last: before it takes effect, or just after. */
  #call<T>(effect: () => T): T {
    this.fuse--
    if (this.fuse === 0) throw new KeeperDied()
    const result = effect()
    this.fuse -= 0.5
    if (this.fuse > -1 && this.fuse <= 0) throw new KeeperDied()
    this.fuse += 0.5
    return result
  }

  now = () => ({ monoMs: this.host.monoMs, wallMs: this.host.wallMs })
  chance = () => this.host.chance()
  mintId = () => this.host.id()
  degraded = () => []
  notifySocket = (slot: string) => slot
  leave = (): void => {
    this.left = true
  }

  wakeAt(monoMs: number | null): void {
    this.wakeMs = monoMs
  }

  soon(task: () => void, delayMs = 0.01): void {
    this.host.after(delayMs, () => {
      if (this.host.world === this) this.host.guard(task)
    })
  }

  wake(): void {
    this.wakeMs = null
    this.hearing?.woke()
  }

  hears(process: Process): void {
    if (!this.#watched.has(process.runId) || !process.exit) return
    this.hearing?.exited(process.runId, process.exit)
  }

  store = {
    loadPlan: () => this.host.plan,
    savePlan: (plan: Plan) => this.#call(() => this.host.remember({ plan })),
    loadChildren: () =>
      this.host.children === null ? null : withJobsApart(JSON.parse(this.host.children) as ChildrenDocument),
    saveChildren: (save: ChildrenSave) =>
      this.#call(() => {
        const children = [...save.children].map(([name, text]) => `${JSON.stringify(name)}:${text}`)
        const saved = JSON.stringify(save.saved)
        this.host.remember({
          children: `${save.head.slice(0, -1)},"children":{${children.join(',')}},"saved":${saved}}`,
        })
      }),
    loadRuns: () => {
      const { runs } = this.host
      const intents = recordsOf(this.store.loadChildren(), this.host.plan)
      return [...runs.values(), ...intents.filter(run => !runs.has(run.run_id))]
    },
    saveRun: (record: RunRecord) =>
      this.#call(() => void this.host.runs.set(record.run_id, structuredClone(record))),
    removeRun: (runId: string) =>
      this.#call(() => {
        this.host.runs.delete(runId)
        this.host.evidence.delete(runId)
      }),
    evidence: (runId: string) => this.host.evidence.get(runId) ?? null,
    gather: () => {
      this.#gathering = true
    },
    settle: () => {
      this.#gathering = false
      if (this.#gathered.length > 0)
        this.#call(() => void this.host.journal.push(...this.#gathered.splice(0)))
    },
    journal: (event: Omit<FleetEvent, 'journal_id' | 'seq'>) => {
      const seq = this.host.journal.length + this.#gathered.length + 1
      const full: FleetEvent = { journal_id: 'J', seq, ...event }
      if (this.#gathering) this.#gathered.push(full)
      else this.#call(() => void this.host.journal.push(full))
      return full
    },
    journaledExit: (runId: string) =>
      [...this.host.journal, ...this.#gathered].find(
        event => event.kind === 'exited' && event.run_id === runId,
      ) ?? null,
    saveSecrets: () => {},
    archived: () => {},
  }

  latches = {
    read: () => this.host.kills.map(kill => ({ ...kill })),
    trip: (kill: KillView) => this.#call(() => void this.host.kills.push(kill)),
    complete: (id: string, complete: boolean) =>
      this.#call(() =>
        this.host.remember({
          kills: this.host.kills.map(kill => (kill.id === id ? { ...kill, complete } : kill)),
        }),
      ),
    release: (id: string) =>
      this.#call(() => {
        const known = this.host.kills.some(kill => kill.id === id)
        this.host.kills = this.host.kills.filter(kill => kill.id !== id)
        return known
      }),
    halt: () => {},
  }

  processes = {
    mintTag: () => null,
    respec: () => {},
    spawn: (request: SpawnRequest) =>
      this.#call(() => {
        const module = request.spec.name
        if (!module.startsWith('@') && this.host.chance() < this.host.nature(module).refuses) {
          return { ok: false as const, why: 'the simulation refused it', transient: this.host.chance() < 0.5 }
        }
        const process = this.host.start(request)
        this.#watched.add(request.runId)
        return { ok: true as const, pid: process.pid, startTime: process.startTime, logOffset: 0 }
      }),
    adopt: (run: Run) => {
      const process = run.pid === null ? undefined : this.host.processes.get(run.pid)
      if (!process || process.runId !== run.id) return { alive: false as const, exit: null }
      this.#watched.add(run.id)
      return process.alive ? { alive: true as const } : { alive: false as const, exit: null }
    },
    find: (runId: string) => {
      const found = [...this.host.processes.values()].find(
        process => process.alive && process.main && process.runId === runId,
      )
      return found ? { pid: found.pid, startTime: found.startTime } : null
    },
    signal: (run: Run, signal: string) => this.#call(() => this.#signal(run, signal)),
    kill: (run: Run) =>
      this.#call(() => {
        this.#signal(run, 'SIGKILL')
        for (const process of this.#remains(run)) process.alive = false
      }),
    sweep: (run: Run, kill: boolean) =>
      this.#call(() => {
        const left = this.#remains(run)
        if (left.length === 0) return true
        this.host.after(kill ? 5 : 200, () => {
          for (const process of left) process.alive = false
          if (this.host.world === this) this.host.guard(() => this.hearing?.swept(run.id))
        })
        return false
      }),
    hook: (request: { child: string; hook: Hook }) =>
      this.#call(() => {
        if (this.host.obey) return
        const ok = this.host.chance() < 0.8
        this.host.after(50, () => {
          if (this.host.world === this)
            this.host.guard(() => this.hearing?.hooked(request.child, request.hook, ok, 'simulated'))
        })
      }),
    markLogEnd: (_spec: ModuleSpec) => 0,
    forget: (runId: string) => void this.#watched.delete(runId),
  }

  #remains(run: Run): Process[] {
    return [...this.host.processes.values()].filter(
      process => process.alive && !process.main && process.runId === run.id,
    )
  }

  #signal(run: Run, signal: string): void {
    const process = run.pid === null ? undefined : this.host.processes.get(run.pid)
    if (!process?.alive || process.runId !== run.id) return
    if (signal === 'SIGKILL') return this.host.after(1, () => this.host.die(process, exitOf(-9)))
    if (this.host.obey) {
      const exit = this.host.obey(process)
      if (exit) this.host.after(1, () => this.host.die(process, exit))
      return
    }
    const nature = process.module.startsWith('@') ? null : this.host.nature(process.module)
    if (nature && this.host.chance() < nature.stubborn) return
    const code = this.host.chance() < 0.5 ? 0 : -15
    this.host.after(20 + this.host.chance() * 300, () => this.host.die(process, exitOf(code)))
  }
}
