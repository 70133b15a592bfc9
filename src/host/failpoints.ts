/**
 * Failpoints: what a keeper does to itself before or after a named call to the world, for tests and for
 * people who want to see it fail. Only with MARK_DEBUG=1; without it MARK_FAILPOINT means nothing and no call
 * is touched.
 *
 *   MARK_FAILPOINT=after-run-record:kill,before-signal:delay=50@3;after-adopt:kill
 *
 * `kill`, `stop` (SIGSTOP), `exit` (with 1) at the first call or at the one that `@` numbers; `delay` (ms) at
 * every call, or at that one. What comes after `;` is for the keeper that succeeds this one.
 */
import { MarkError } from '../core/errors.ts'
import type { ChildrenSave, Hearing, World } from '../core/world.ts'

type Call = (...given: never[]) => unknown

/** Name of a point -> part of the world, its method, and which of its calls count. */
const POINTS: Readonly<
  Record<string, readonly ['store' | 'latches' | 'processes', string, ((given: unknown) => boolean)?]>
> = {
  'run-intent': ['store', 'saveChildren', given => hasIntent(given as ChildrenSave)],
  'run-record': ['store', 'saveRun'],
  'run-removed': ['store', 'removeRun'],
  save: ['store', 'saveChildren'],
  plan: ['store', 'savePlan'],
  secrets: ['store', 'saveSecrets'],
  journal: ['store', 'journal'],
  settle: ['store', 'settle'],
  latch: ['latches', 'read'],
  trip: ['latches', 'trip'],
  complete: ['latches', 'complete'],
  release: ['latches', 'release'],
  halt: ['latches', 'halt'],
  spawn: ['processes', 'spawn'],
  adopt: ['processes', 'adopt'],
  signal: ['processes', 'signal'],
  kill: ['processes', 'kill'],
  sweep: ['processes', 'sweep'],
  hook: ['processes', 'hook'],
  'log-end': ['processes', 'markLogEnd'],
}
/** The exit of a run is known to the kernel no more, and to nobody else yet. */
const EXIT = 'exit'
const WISH = /^(before|after)-([a-z-]+):(kill|stop|exit|delay=(\d{1,6}))(?:@(\d{1,6}))?$/

interface Failpoint {
  readonly delayMs: number | null
  readonly act: 'kill' | 'stop' | 'exit' | 'delay'
  /** Which call; null: the first, for a delay every one. */
  readonly nth: number | null
  hits: number
}

/** A run is to be started: it has no pid yet. */
function hasIntent({ children, changed }: ChildrenSave): boolean {
  return [...changed].some(name => children.get(name)?.includes('"pid":null') === true)
}

/** How a failpoint ends or halts this process: a test gives its own. */
export interface Harm {
  signal(signal: 'SIGKILL' | 'SIGSTOP'): void
  exit(code: number): void
  wait(ms: number): void
}

const HARM: Harm = {
  signal: signal => process.kill(process.pid, signal),
  exit: code => process.exit(code),
  wait: ms => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  },
}

/** Every point's name, as `before-` or `after-` goes before it. */
export const FAILPOINTS: readonly string[] = [...Object.keys(POINTS), EXIT]

/**
 * Takes this keeper's wishes out of `env`, where its successor's stay, and hands out what puts them into a
 * world. Throws MARK_USAGE for a wish that cannot be read: a test that fails nothing would prove nothing.
 */
export function takeFailpoints(
  env: Record<string, string | undefined>,
  harm: Harm = HARM,
): <W extends World>(world: W) => W {
  const { MARK_FAILPOINT: wishes, MARK_DEBUG: debug } = env
  if (debug !== '1' || wishes === undefined) return world => world
  const [own = '', ...later] = wishes.split(';')
  if (later.length > 0) env.MARK_FAILPOINT = later.join(';')
  else delete env.MARK_FAILPOINT
  const points = parse(own)
  return world => install(world, (when, name) => hit(points.get(`${when}-${name}`) ?? [], harm))
}

function parse(text: string): Map<string, Failpoint[]> {
  const points = new Map<string, Failpoint[]>()
  for (const wish of text.split(',').map(part => part.trim())) {
    if (wish === '') continue
    const match = WISH.exec(wish)
    const [, when, name = '', action = '', ms, nth] = match ?? []
    if (!match || !FAILPOINTS.includes(name))
      throw new MarkError(
        'MARK_USAGE',
        `MARK_FAILPOINT: ${wish} is no failpoint.`,
        'See src/host/failpoints.ts.',
      )
    const key = `${when}-${name}`
    const act = action.split('=')[0] as Failpoint['act']
    const delayMs = ms === undefined ? null : Number(ms)
    const point = { delayMs, act, nth: nth === undefined ? null : Number(nth), hits: 0 }
    points.set(key, [...(points.get(key) ?? []), point])
  }
  return points
}

function hit(points: readonly Failpoint[], harm: Harm): void {
  for (const point of points) {
    point.hits++
    const due = point.nth === null ? point.act === 'delay' || point.hits === 1 : point.hits === point.nth
    if (!due) continue
    if (point.act === 'kill') harm.signal('SIGKILL')
    else if (point.act === 'stop') harm.signal('SIGSTOP')
    else if (point.act === 'exit') harm.exit(1)
    else harm.wait(point.delayMs ?? 0)
  }
}

function install<W extends World>(world: W, reach: (when: 'before' | 'after', name: string) => void): W {
  for (const [name, [part, method, counts = () => true]] of Object.entries(POINTS)) {
    const target = world[part] as unknown as Record<string, Call>
    const call = (target[method] as Call).bind(target)
    target[method] = (...given: never[]) => {
      if (!counts(given[0])) return call(...given)
      reach('before', name)
      const answer = call(...given)
      reach('after', name)
      return answer
    }
  }
  hearExits(world, reach)
  return world
}

/** Exits are heard by the keeper, not called by it. */
function hearExits(world: World, reach: (when: 'before' | 'after', name: string) => void): void {
  const processes = world.processes as unknown as { listen?: (hearing: Hearing) => void }
  const listen = processes.listen?.bind(processes)
  if (!listen) return
  processes.listen = hearing => {
    const heard = hearing.exited.bind(hearing)
    hearing.exited = (runId, exit) => {
      reach('before', EXIT)
      heard(runId, exit)
      reach('after', EXIT)
    }
    listen(hearing)
  }
}
