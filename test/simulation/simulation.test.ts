/**
 * Keeper and daemon in one process under one fake clock, with the keeper killed at any effect: seeded lives
 * of a fleet, judged by an oracle that looks at processes, never at the keeper's word. A failing seed is in
 * the message.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MarkError } from '../../src/core/errors.ts'
import { daemonSpec } from '../../src/core/daemon-spec.ts'
import type { ModuleSpec } from '../../src/core/plan.ts'
import { answerAsk } from '../../src/keeper/asks.ts'
import { Keeper } from '../../src/keeper/keeper.ts'
import { moduleSpec, plan } from './fleet-plan.ts'
import { SimHost, SimWorld } from './sim-host.ts'
import type { Nature, Process } from './sim-nature.ts'

type Verb = Parameters<typeof answerAsk>[1]

const SEEDS = Number(process.env.MARK_SIM_SEEDS ?? 60)
const FIRST_SEED = Number(process.env.MARK_SIM_SEED ?? 1)
const CALM: Nature = {
  crashEveryMs: Number.POSITIVE_INFINITY,
  codes: [1],
  readyAfterMs: 100,
  stubborn: 0,
  litters: 0,
  refuses: 0,
}
const WILD: Nature = {
  crashEveryMs: 20_000,
  codes: [0, 1, 3, 75, 137, -9, -15],
  readyAfterMs: 500,
  stubborn: 0.2,
  litters: 0.3,
  refuses: 0.05,
}
const SPECS: ModuleSpec[] = [
  moduleSpec('feed'),
  moduleSpec('collect', {
    dependsOn: [{ name: 'feed', condition: 'ready' }],
    ready: { kind: 'delay', delayMs: 1000 },
  }),
  moduleSpec('decide', {
    dependsOn: [{ name: 'collect', condition: 'ready' }],
    stop: { ...moduleSpec('x').stop, before: ['cancel'], verify: ['flat'] },
  }),
  moduleSpec('trade', {
    dependsOn: [{ name: 'decide', condition: 'started' }],
    recover: { argv: ['repair'], timeoutMs: 1000 },
  }),
  moduleSpec('once', { kind: 'task', restart: { ...moduleSpec('x').restart, policy: 'on-failure' } }),
]
const PLAN = plan(SPECS, { groups: { desk: { modules: ['decide', 'trade'], onFailure: 'rest_for_one' } } })
const NAMES = SPECS.map(spec => spec.name)

/** One simulated life with its oracle. */
class Life {
  readonly host: SimHost
  keeper: Keeper | null = null
  /** Modules an acknowledged stop or kill forbids to start, until an ask allows it again. */
  readonly forbidden = new Map<string, string>()
  spawns = 0
  keeperDeaths = 0
  readonly seed: number
  #keepers = 0

  constructor(seed: number) {
    this.seed = seed
    this.host = new SimHost(seed)
    for (const name of NAMES) this.host.natures.set(name, { ...WILD })
    this.host.onSpawn = process => this.#judgeSpawn(process)
  }

  fail(why: string): never {
    assert.fail(`seed ${this.seed} at ${this.host.monoMs.toFixed(1)} ms: ${why}`)
  }

  #judgeSpawn(process: Process): void {
    this.spawns++
    const why = this.forbidden.get(process.module)
    if (why !== undefined) this.fail(`${process.module} was started although ${why}`)
    const twins = this.host.living(process.module).filter(other => other.pid !== process.pid)
    const reloading = process.why === 'reload' && twins.filter(twin => twin.main).length <= 1
    if (twins.length > 0 && !reloading)
      this.fail(`${process.module} runs twice: ${JSON.stringify([process, ...twins])}`)
  }

  boot(fuse: number): void {
    const world = new SimWorld(this.host, ++this.#keepers)
    world.fuse = fuse
    this.host.world = world
    const alive = this.host.guard(() => {
      const keeper = new Keeper(
        world,
        { moduleChanged() {}, fleetChanged() {}, planChanged() {}, happened() {} },
        { daemon: daemonSpec(['daemon'], '/', {}), boot: false },
      )
      world.hearing = keeper
      world.daemonHello = () => keeper.settleDoubts()
      this.keeper = keeper
      const untilMs = keeper.doubtsUntilMs
      if (untilMs !== null)
        this.host.after(untilMs - this.host.monoMs, () =>
          this.host.guard(() => this.host.world === world && keeper.settleDoubts()),
        )
    })
    if (alive) this.host.after(20, () => this.host.daemonConnects())
  }

  /** Asks the keeper; true when it acknowledged. A refusal is fine, a death is not an acknowledgement. */
  ask(verb: Verb): boolean {
    if (!this.keeper || !this.host.world) return false
    const { engine } = this.keeper
    let acknowledged = false
    this.host.guard(() => {
      try {
        answerAsk(engine, verb)
        acknowledged = true
      } catch (error) {
        if (!(error instanceof MarkError)) throw error
      }
    })
    return acknowledged
  }

  run(untilMs: number): void {
    while (this.host.stepUntil(untilMs)) {
      if (this.host.world?.left) this.host.world = null
      if (this.host.world === null) this.#revive()
    }
  }

  #revive(): void {
    this.keeperDeaths++
    const quick = this.host.chance() < 0.3
    this.boot(quick ? 1 + Math.floor(this.host.chance() * 40) : this.fuse())
  }

  fuse = (): number => {
    return 3 + Math.floor(this.host.chance() ** 2 * 120)
  }
}

function operate(life: Life): void {
  const { host } = life
  const dice = Math.floor(host.chance() * 14)
  const name = NAMES[Math.floor(host.chance() * NAMES.length)] as string
  const target = { modules: [name], by: 'op', reason: null }
  if (dice <= 2) {
    if (life.ask({ ask: 'stop', ...target })) life.forbidden.set(name, 'an operator stopped it')
  } else if (dice <= 5) allow(life, name, () => life.ask({ ask: 'start', ...target }))
  else if (dice === 6) allow(life, name, () => life.ask({ ask: 'restart', ...target }))
  else if (dice === 7) allow(life, name, () => life.ask({ ask: 'reload', ...target }))
  else if (dice === 8) trip(life, host.chance() < 0.5 ? 'all' : `module:${name}`)
  else if (dice <= 10) release(life)
  else if (dice === 11) life.ask({ ask: 'hold', ...target })
  else if (dice === 12) allow(life, name, () => life.ask({ ask: 'unhold', ...target }))
  else
    allow(life, null, () =>
      life.ask({ ask: 'apply', plan: PLAN, only: null, secretValues: {}, atomic: false, by: 'op' }),
    )
}

/**
 * What an ask may allow counts as allowed from the moment it is asked: the keeper may die after it took
 * effect.
 */
function allow(life: Life, name: string | null, ask: () => boolean): void {
  const why = name === null ? undefined : life.forbidden.get(name)
  if (name !== null) life.forbidden.delete(name)
  const refused = !ask() && life.host.world !== null
  if (refused && name !== null && why !== undefined) life.forbidden.set(name, why)
}

/**
 * Half of all kills are written by a command while the keeper does not listen: it must see them by itself.
 */
function trip(life: Life, scope: string): void {
  const { host } = life
  const id = `K-${host.id()}`
  if (host.chance() < 0.5)
    life.ask({ ask: 'kill', kill_id: id, scope, level: 'halt', reason: null, by: 'op' })
  else
    host.kills.push({
      id,
      scope,
      level: 'halt',
      reason: null,
      by: 'op',
      at: new Date(host.wallMs).toISOString(),
      complete: false,
    })
}

function release(life: Life): void {
  const kill = life.host.kills[0]
  if (kill) life.ask({ ask: 'release', kill_id: kill.id, reason: 'sim', by: 'op' })
}

/** While a latch is on disk nothing in its scope may start: checked at every spawn through `forbidden`. */
function judgeLatches(life: Life): void {
  const { host } = life
  const spawn = host.onSpawn
  host.onSpawn = process => {
    const latch = process.module.startsWith('@')
      ? undefined
      : host.kills.find(kill => kill.scope === 'all' || kill.scope === `module:${process.module}`)
    if (latch) life.fail(`${process.module} was started although ${latch.id} is tripped`)
    spawn(process)
  }
}

function judgeExits(life: Life): { exits: number; unknown: number } {
  const { host } = life
  const exits = host.journal.filter(event => event.kind === 'exited')
  const seen = new Set<string>()
  let unknown = 0
  for (const event of exits) {
    const runId = event.run_id as string
    if (seen.has(runId)) life.fail(`the exit of ${runId} (${event.module}) stands twice in the journal`)
    seen.add(runId)
    const truth = host.deaths.get(runId)
    // A keeper that died between the record and the spawn cannot know whether it ran: unknown, once, is the
    // truth.
    if (!truth && event.data.known === false && event.data.pid === null) continue
    if (!truth) life.fail(`an exit of ${runId} (${event.module}) was journaled that never happened`)
    if (event.data.known === false && truth.witnessed)
      life.fail(`the exit of ${runId} (${event.module}) was seen by the daemon, yet is unknown`)
    if (event.data.known === false) unknown++
    else if (truth.exit.code !== event.data.code || truth.exit.signal !== event.data.signal)
      life.fail(`the exit of ${runId} is wrong`)
  }
  for (const runId of host.deaths.keys()) if (!seen.has(runId)) life.fail(`the exit of ${runId} is missing`)
  return { exits: exits.length, unknown }
}

function judgeCalm(life: Life): void {
  const { host } = life
  for (const spec of SPECS) {
    const child = life.keeper?.engine.children.get(spec.name)
    if (spec.kind === 'task' || !child) continue
    const mains = host.living(spec.name).filter(process => process.main)
    if (child.phase !== 'ready' || mains.length !== 1)
      life.fail(`${spec.name} did not come back: ${child.phase} (${child.reason}), ${mains.length} alive`)
  }
}

function calmDown(life: Life): void {
  const { host } = life
  for (const name of NAMES) host.natures.set(name, { ...CALM })
  if (host.world) host.world.fuse = Number.POSITIVE_INFINITY
  life.fuse = () => Number.POSITIVE_INFINITY
  host.chance()
  life.run(host.monoMs + 60_000)
  if (host.world === null) life.boot(Number.POSITIVE_INFINITY)
  else host.world.fuse = Number.POSITIVE_INFINITY
  while (host.kills.length > 0) release(life)
  life.forbidden.clear()
  life.run(host.monoMs + 60_000)
  for (const name of NAMES) life.ask({ ask: 'unhold', modules: [name], by: 'op', reason: null })
  for (const name of NAMES) life.ask({ ask: 'start', modules: [name], by: 'op', reason: null })
  life.run(host.monoMs + 600_000)
}

function live(seed: number): { life: Life; exits: number; unknown: number } {
  const life = new Life(seed)
  const { host } = life
  judgeLatches(life)
  life.boot(Number.POSITIVE_INFINITY)
  life.ask({ ask: 'apply', plan: PLAN, only: null, secretValues: {}, atomic: false, by: 'op' })
  if (host.world) host.world.fuse = life.fuse()
  for (let round = 0; round < 120; round++) {
    life.run(host.monoMs + host.chance() * 8000)
    if (host.world === null) life.boot(life.fuse())
    if (host.chance() < 0.1)
      for (const daemon of host.living('@daemon'))
        host.die(daemon, {
          known: true,
          code: null,
          signal: 'SIGKILL',
          core: false,
          oom: null,
          evidence: 'wait',
        })
    if (host.chance() < 0.02) host.reboot()
    if (host.world === null) life.boot(life.fuse())
    operate(life)
    if (host.world === null) life.boot(life.fuse())
  }
  calmDown(life)
  judgeCalm(life)
  return { life, ...judgeExits(life) }
}

test(`a fleet keeps its promises in ${SEEDS} seeded lives, whatever kills the keeper`, context => {
  let [spawns, deaths, exits, unknown] = [0, 0, 0, 0]
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const result = live(seed)
    spawns += result.life.spawns
    deaths += result.life.keeperDeaths
    exits += result.exits
    unknown += result.unknown
  }
  const seeds = `seeds ${FIRST_SEED}..${FIRST_SEED + SEEDS - 1}`
  const exited = `${exits} exits, ${unknown} of them unknown`
  context.diagnostic(`${seeds}: ${spawns} starts, ${deaths} keeper deaths, ${exited}`)
  assert.ok(deaths > SEEDS, 'the simulation must kill keepers, else it shows nothing')
  assert.ok(exits > SEEDS * 10, 'the simulation must let modules die')
})
