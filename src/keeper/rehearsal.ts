/**
 * The way to a stop, walked on a stage without processes once the fleet has started: what runs seldom is then
 * compiled and in memory when it is needed. Never touches the fleet; measured by `npm run bench -- stop`.
 */
import { type Child, isLive, newChild } from '../core/child.ts'
import type { World } from '../core/world.ts'
import { answerAsk } from './asks.ts'
import { Engine } from './engine.ts'

export interface Stage {
  readonly world: World
  close(): void
}

const LOOK_AGAIN_MS = 500
const LOOKS_MAX = 120
const ROUNDS = 6
const MODULES_MAX = 16

export function rehearseOnceStarted(engine: Engine, stage: () => Stage, looks = 0): void {
  const children = [...engine.children.values()]
  const isBusy = children.some(child => child.phase === 'waiting' || child.phase === 'stopping')
  if (!isBusy && children.some(isLive) && engine.plan !== null) return begin(engine, stage)
  const again = (): void => rehearseOnceStarted(engine, stage, looks + 1)
  if (looks < LOOKS_MAX) engine.world.soon(again, LOOK_AGAIN_MS)
}

function begin(engine: Engine, stage: () => Stage): void {
  try {
    rehearse(engine, stage())
  } catch (error) {
    complain(error)
  }
}

/** In slices, so that others get their answers in between. */
function rehearse(engine: Engine, stage: Stage, round = 0): void {
  try {
    stopAll(engine, stage.world)
  } catch (error) {
    complain(error)
    return stage.close()
  }
  if (round < ROUNDS) engine.world.soon(() => rehearse(engine, stage, round + 1), 10)
  else stage.close()
}

/** A host that is short of something: then the first stop is as slow as it would be. */
function complain(error: unknown): void {
  process.stderr.write(`no stop is rehearsed: ${(error as Error).message}\n`)
}

function stopAll({ plan }: Engine, world: World): void {
  const mute = { moduleChanged() {}, fleetChanged() {}, planChanged() {}, happened() {} }
  const engine = new Engine(world, mute, { id: world.mintId(), open: true, closing: false })
  const started = world.now()
  engine.plan = plan
  for (const spec of plan?.modules.slice(0, MODULES_MAX) ?? []) {
    const id = world.mintId()
    const run = {
      id,
      pid: 0,
      startTime: 0,
      started,
      ready: started,
      startReason: 'boot',
      exit: null,
    } as const
    const child: Child = {
      ...newChild({ ...spec, stop: { ...spec.stop, before: null } }),
      run,
      phase: 'ready',
    }
    engine.put(spec.name, child)
  }
  engine.save()
  answerAsk(engine, { ask: 'down', by: 'a rehearsal' })
  const exit = { known: true, code: 0, signal: null, core: false, oom: false, evidence: 'wait' } as const
  for (const { run } of [...engine.children.values()]) if (run) engine.exitedRun(run.id, exit)
}
