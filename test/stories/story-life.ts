/**
 * What a story can do: one method for each command, on a host in memory where nothing happens by itself. A
 * process lives until the story or MARK ends it; told to stop it exits 0 at once, unless it is deaf.
 */
import { DAEMON, moduleName, nextName } from '../../src/core/child-name.ts'
import { daemonSpec } from '../../src/core/daemon-spec.ts'
import { MarkError } from '../../src/core/errors.ts'
import type { Exit } from '../../src/core/exit.ts'
import { answerAsk } from '../../src/keeper/asks.ts'
import { Keeper } from '../../src/keeper/keeper.ts'
import { exitOf, SimHost, SimWorld } from '../simulation/sim-host.ts'
import type { Process } from '../simulation/sim-nature.ts'
import { ms, StoryFleet } from './story-fleet.ts'
import { inSeconds, tellChild, tellEvent } from './story-telling.ts'

type Verb = Parameters<typeof answerAsk>[1]

/** What a command causes at once, without time passing that a story would count. */
const AT_ONCE_MS = 100
const QUIET = {
  crashEveryMs: Number.POSITIVE_INFINITY,
  codes: [1],
  readyAfterMs: Number.POSITIVE_INFINITY,
  stubborn: 0,
  litters: 0,
  refuses: 0,
}

export class StoryLife {
  readonly host = new SimHost(1)
  readonly fleet = new StoryFleet()
  keeper: Keeper | null = null
  /** What happened since the command began. */
  readonly #lines: string[] = []
  readonly #deaf = new Set<string>()
  readonly #shown = new Map<string, string>()
  /** Modules' processes, counted from 101 as they start: no story tells of other processes' numbers. */
  readonly #pids = new Map<number, number>()
  #keepers = 0
  #bootOfKeeper = 1
  #kills = 0
  #told = 0
  #advancedFromMs: number | null = null

  constructor() {
    this.host.obey = process => (this.#deaf.has(process.module) ? null : exitOf(0))
    this.host.onSpawn = ({ pid, module }) => {
      if (module !== DAEMON) this.#pids.set(pid, 101 + this.#pids.size)
    }
    this.keeperStarts()
    this.#told = this.host.journal.length
  }

  /** Runs one line of a story; what happened, as lines. */
  run(line: string): string[] {
    this.#lines.length = 0
    const [command = '', ...words] = line.split(/\s+/)
    const act = COMMANDS[command]
    if (!act) throw new Error(`a story knows no \`${command}\``)
    act(this, words)
    this.#advancedFromMs = null
    this.#settle()
    this.#tellStates(command === 'states')
    return [...this.#lines]
  }

  declare(words: readonly string[]): void {
    this.fleet.module(words)
    this.host.natures.set(words[0] as string, QUIET)
  }

  up(names: readonly string[]): void {
    const only = names.length > 0 ? names : null
    this.ask({ ask: 'apply', plan: this.fleet.plan(), only, secretValues: {}, atomic: false, by: 'op' })
  }

  /** Asks the keeper as a command would; a refusal and what the keeper adds are part of the story. */
  ask(verb: Verb): void {
    if (!this.keeper) return this.#say('no keeper answers')
    const { engine } = this.keeper
    this.host.guard(() => {
      try {
        const answer = answerAsk(engine, verb) as { notes?: string[]; left?: { reason: string }[] }
        this.#tellEvents()
        for (const note of answer.notes ?? []) this.#say(`note: ${note}`)
        for (const left of answer.left ?? []) this.#say(`left alone: ${JSON.stringify(left)}`)
      } catch (error) {
        if (!(error instanceof MarkError)) throw error
        this.#say(`refused: error[${error.code}]: ${error.message} hint: ${error.hint}`)
      }
    })
  }

  /** With no keeper the command writes the latch itself, as `mark kill` does. */
  kill(scope: string, level: 'halt' | 'pause' | 'flatten'): void {
    const kill_id = `K-${++this.#kills}`
    if (this.keeper) return this.ask({ ask: 'kill', kill_id, scope, level, reason: null, by: 'op' })
    const at = new Date(this.host.wallMs).toISOString()
    this.host.kills.push({ id: kill_id, scope, level, reason: null, by: 'op', at, complete: false })
  }

  release(id: string | undefined): void {
    this.ask({ ask: 'release', kill_id: id ?? this.host.kills[0]?.id ?? '', reason: 'the story', by: 'op' })
  }

  /** A message on the NOTIFY_SOCKET of the module's newest run. */
  says(name: string, message: string): void {
    const process = this.#process(name, 'newest')
    this.host.guard(() => this.host.world?.hearing?.notified(process.slot, message))
  }

  crash(name: string, how: string): void {
    const exit: Exit = /^SIG/.test(how) ? { ...exitOf(-9), signal: how } : exitOf(Number(how))
    this.host.die(this.#process(name, 'oldest'), exit)
  }

  deaf(name: string): void {
    this.#deaf.add(name)
  }

  /** A process that the module started and that will outlive it. */
  helper(name: string): void {
    const pid = 900 + this.host.processes.size
    this.host.processes.set(pid, { ...this.#process(name, 'oldest'), pid, main: false })
  }

  probe(module: string, found: string, reason: string): void {
    const run_id = this.#process(module, 'oldest').runId
    this.ask({ ask: 'probed', module, run_id, found: found as 'ready', reason })
  }

  hook(name: string, hook: 'before' | 'verify' | 'recover', result: string): void {
    this.host.guard(() => this.keeper?.hooked(name, hook, result === 'ok', `exit ${result === 'ok' ? 0 : 1}`))
  }

  advance(duration: string): void {
    this.#advancedFromMs = this.host.monoMs
    const untilMs = this.host.monoMs + ms(duration)
    while (this.host.stepUntil(untilMs)) this.#tellEvents()
  }

  keeperDies(): void {
    this.host.world = null
    this.keeper = null
  }

  daemonDies(): void {
    for (const daemon of this.host.living(DAEMON)) this.host.die(daemon, exitOf(-9))
  }

  hostReboots(): void {
    this.keeperDies()
    this.host.reboot()
  }

  keeperStarts(): void {
    const world = new SimWorld(this.host, ++this.#keepers)
    this.host.world = world
    const boot = this.#bootOfKeeper !== this.host.boot
    this.#bootOfKeeper = this.host.boot
    const watcher = { moduleChanged() {}, fleetChanged() {}, planChanged() {}, happened() {} }
    const keeper = new Keeper(world, watcher, { daemon: daemonSpec(['daemon'], '/', {}), boot })
    world.hearing = keeper
    world.daemonHello = () => keeper.settleDoubts()
    this.keeper = keeper
    const { doubtsUntilMs } = keeper
    const settle = (): void => void (this.host.world === world && keeper.settleDoubts())
    if (doubtsUntilMs !== null) this.host.after(doubtsUntilMs - this.host.monoMs, settle)
    this.host.after(20, () => this.host.daemonConnects())
    this.#shown.clear()
  }

  readonly #pidName = (pid: number): number | null => this.#pids.get(pid) ?? null

  #process(name: string, which: 'oldest' | 'newest'): Process {
    const mains = this.host.living(moduleName(name)).filter(process => process.main)
    const process = mains.at(which === 'oldest' && name === moduleName(name) ? 0 : -1)
    if (!process) throw new Error(`${name} does not run`)
    return process
  }

  #settle(): void {
    while (this.host.nextMs <= this.host.monoMs + AT_ONCE_MS) {
      this.host.stepUntil(this.host.nextMs)
      this.#tellEvents()
    }
    this.#tellEvents()
    if (!this.host.world?.left) return
    this.keeperDies()
    this.#say('MARK has left')
  }

  #tellEvents(): void {
    for (const event of this.host.journal.slice(this.#told)) {
      const secret = event.module === DAEMON && event.kind !== 'exited'
      if (!secret) this.#say(tellEvent(event, this.#pidName))
    }
    this.#told = this.host.journal.length
  }

  #tellStates(all: boolean): void {
    if (all) this.#shown.clear()
    const now = { monoMs: this.host.monoMs, wallMs: this.host.wallMs }
    for (const name of this.fleet.names.flatMap(name => [name, nextName(name)])) {
      const child = this.keeper?.engine.children.get(name)
      const line = child ? tellChild(name, child, now, this.#pidName) : ''
      const quiet = child?.phase === 'backoff' ? `${child.phase} ${child.nextStart?.wallMs}` : line
      if (line !== '' && this.#shown.get(name) !== quiet) this.#lines.push(`= ${line}`)
      this.#shown.set(name, quiet)
    }
  }

  #say(line: string): void {
    const from = this.#advancedFromMs
    this.#lines.push(from === null ? line : `+${inSeconds(this.host.monoMs - from)} ${line}`)
  }
}

type Act = (life: StoryLife, words: readonly string[]) => void
const verb = (ask: 'start' | 'stop' | 'restart' | 'reload' | 'hold' | 'unhold'): Act => {
  return (life, modules) => life.ask({ ask, modules, by: 'op', reason: null })
}
const processes: Act = (life, [what]) => {
  if (what === 'dies') life.keeperDies()
  else life.keeperStarts()
}
const COMMANDS: Readonly<Record<string, Act>> = {
  module: (life, words) => life.declare(words),
  group: (life, words) => life.fleet.group(words),
  remove: (life, words) => life.fleet.remove(words),
  up: (life, words) => life.up(words),
  down: life => life.ask({ ask: 'down', by: 'op' }),
  hurry: life => life.ask({ ask: 'hurry', by: 'op' }),
  start: verb('start'),
  stop: verb('stop'),
  restart: verb('restart'),
  reload: verb('reload'),
  hold: verb('hold'),
  unhold: verb('unhold'),
  kill: (life, [scope = 'all', level = 'halt']) => life.kill(scope, level as 'halt'),
  release: (life, [id]) => life.release(id),
  ready: (life, [name = '']) => life.says(name, 'READY=1'),
  says: (life, [name = '', ...text]) => life.says(name, text.join(' ')),
  crash: (life, [name = '', how = '1']) => life.crash(name, how),
  exit: (life, [name = '', code = '0']) => life.crash(name, code),
  deaf: (life, [name = '']) => life.deaf(name),
  helper: (life, [name = '']) => life.helper(name),
  probe: (life, [name = '', found = '', ...reason]) => life.probe(name, found, reason.join(' ')),
  hook: (life, [name = '', hook = '', result = '']) => life.hook(name, hook as 'before', result),
  advance: (life, [duration = '']) => life.advance(duration),
  keeper: processes,
  daemon: life => life.daemonDies(),
  host: life => life.hostReboots(),
  states: () => {},
}
