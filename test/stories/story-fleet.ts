/**
 * The fleet of a story, as its `module` and `group` lines declare it. Defaults are mark.yaml's, but for
 * jitter (0, so that a story can tell exact times). Throws on a word it does not know.
 */
import type { Condition, GroupSpec, ModuleSpec, Plan } from '../../src/core/plan.ts'
import { parseDurationMs } from '../../src/core/time.ts'
import { moduleSpec, plan } from '../simulation/fleet-plan.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Draft = {
  [K in keyof ModuleSpec]: ModuleSpec[K] extends object ? Writable<ModuleSpec[K]> : ModuleSpec[K]
}

const SETTINGS: Readonly<Record<string, (draft: Writable<ModuleSpec>, value: string) => void>> = {
  kind: (draft, value) => {
    draft.kind = value === 'task' ? 'task' : 'service'
    if (value === 'task') draft.restart = { ...draft.restart, policy: 'on-failure' }
  },
  after: (draft, value) => {
    draft.dependsOn = value.split(',').map(item => {
      const [name = '', condition = 'ready'] = item.split(':')
      return { name, condition: condition as Condition }
    })
  },
  ready: (draft, value) => {
    const [kind, time] = value.split(':')
    draft.ready =
      kind === 'delay'
        ? { kind, delayMs: ms(time ?? '1s') }
        : { kind: 'notify', timeoutMs: ms(time ?? '60s') }
  },
  health: (draft, value) => {
    draft.health = {
      probe: { kind: 'http', url: 'http://127.0.0.1:8080/ping' },
      intervalMs: 10_000,
      timeoutMs: 2000,
      failures: 3,
      startPeriodMs: 30_000,
      action: value as 'restart' | 'recover' | 'alert',
    }
  },
  watchdog: (draft, value) => set(draft, { watchdogMs: ms(value) }),
  recover: (draft, value) => set(draft, { recover: { argv: [value], timeoutMs: 30_000 } }),
  lock: (draft, value) => set(draft, { lock: value }),
  'environment.PAIR': (draft, value) => set(draft, { environment: { PAIR: value } }),
  'restart.policy': (draft, value) => restart(draft, { policy: value as 'always' }),
  'restart.delay': (draft, value) => restart(draft, { delayMs: ms(value) }),
  'restart.multiplier': (draft, value) => restart(draft, { multiplier: Number(value) }),
  'restart.max_delay': (draft, value) => restart(draft, { maxDelayMs: ms(value) }),
  'restart.reset_after': (draft, value) => restart(draft, { resetAfterMs: ms(value) }),
  'restart.when_spent': (draft, value) => restart(draft, { whenSpent: value as 'slow' }),
  'restart.budget': (draft, value) =>
    restart(draft, {
      budget: value.split(',').map(item => {
        const [count, window] = item.split('/')
        return { count: Number(count), windowMs: ms(window ?? '') }
      }),
    }),
  'stop.grace': (draft, value) => set(draft, { stop: { ...draft.stop, graceMs: ms(value) } }),
  'stop.before': (draft, value) => set(draft, { stop: { ...draft.stop, before: [value] } }),
  'stop.verify': (draft, value) => set(draft, { stop: { ...draft.stop, verify: [value] } }),
}

function set(draft: Writable<ModuleSpec>, over: Partial<ModuleSpec>): void {
  Object.assign(draft, over)
}

function restart(draft: Writable<ModuleSpec>, over: Partial<ModuleSpec['restart']>): void {
  draft.restart = { ...draft.restart, ...over }
}

export function ms(text: string): number {
  const parsed = parseDurationMs(text)
  if (parsed === null) throw new Error(`${text} is not a duration`)
  return parsed
}

export class StoryFleet {
  readonly #modules = new Map<string, ModuleSpec>()
  readonly #groups: Record<string, GroupSpec> = {}

  /** `luka ready=notify restart.delay=3s`: declared, or declared anew. */
  module([name = '', ...words]: readonly string[]): void {
    const defaults: Partial<Draft> = {
      ready: { kind: 'delay', delayMs: 1000 },
      restart: {
        policy: 'always',
        delayMs: 3000,
        multiplier: 2,
        maxDelayMs: 300_000,
        jitter: 0,
        resetAfterMs: 600_000,
        budget: [
          { count: 5, windowMs: 600_000 },
          { count: 20, windowMs: 86_400_000 },
        ],
        whenSpent: 'slow',
      },
      stop: { signal: 'SIGTERM', graceMs: 30_000, before: null, verify: null, orders: 'leave' },
    }
    const draft: Writable<ModuleSpec> = moduleSpec(name, defaults)
    for (const word of words) {
      const at = word.indexOf('=')
      const change = SETTINGS[word.slice(0, at)]
      if (!change) throw new Error(`a module has no ${word}`)
      change(draft, word.slice(at + 1))
    }
    this.#modules.set(name, draft)
  }

  /** `pipeline roko dabi on_failure=rest_for_one` */
  group([name = '', ...words]: readonly string[]): void {
    const rule = words.find(word => word.startsWith('on_failure='))?.slice('on_failure='.length)
    this.#groups[name] = {
      modules: words.filter(word => !word.includes('=')),
      onFailure: (rule ?? 'one_for_one') as GroupSpec['onFailure'],
    }
  }

  remove(names: readonly string[]): void {
    for (const name of names) this.#modules.delete(name)
  }

  get names(): string[] {
    return [...this.#modules.keys()]
  }

  plan(): Plan {
    return plan([...this.#modules.values()], { fleet: 'story', groups: { ...this.#groups } })
  }
}
