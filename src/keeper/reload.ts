/**
 * `mark reload`: the next run is ready before the old one stops. The incoming run is a child of its own
 * (`x~next`) until it is ready; then the two children swap runs and the old one is stopped. A module with a
 * lock cannot have two runs: it is stopped, swept and started, and the answer says so.
 */
import { nextName } from '../core/child-name.ts'
import { type Child, isLive, newChild } from '../core/child.ts'
import type { Engine } from './engine.ts'
import { saveRun } from './start-run.ts'

export function beginReload(engine: Engine, name: string, by: string): string | null {
  const child = engine.children.get(name)
  if (!child) return null
  if (child.phase !== 'ready') {
    engine.feed(name, { kind: 'start', why: 'operator', by })
    return `${name} was not ready: started instead`
  }
  if (child.spec.lock !== null) {
    engine.feed(name, { kind: 'stop', then: { kind: 'start', why: 'reload' }, by, why: `reloaded by ${by}` })
    return `${name} holds a lock, so it is stopped and started`
  }
  if (engine.children.has(nextName(name))) return `${name} is being reloaded already`
  const spec = { ...child.spec, restart: { ...child.spec.restart, policy: 'never' as const } }
  engine.put(nextName(name), newChild(spec))
  engine.feed(nextName(name), { kind: 'start', why: 'reload', by })
  return null
}

/** Called after each turn: swaps what is ready, and drops what is over. */
export function advanceReloads(engine: Engine): void {
  for (const [key, next] of [...engine.children]) {
    const name = next.spec.name
    if (key !== nextName(name)) continue
    const child = engine.children.get(name)
    if (next.phase === 'ready' && child) swap(engine, name, child, next)
    else if (!isLive(next) && next.phase !== 'waiting' && next.phase !== 'starting') end(engine, key, next)
  }
}

function swap(engine: Engine, name: string, child: Child, next: Child): void {
  const incoming = next.run
  if (!incoming || child.run?.id === incoming.id) return
  if (child.run && child.run.started.monoMs > incoming.started.monoMs) return retire(engine, name)
  if (child.phase === 'stopping' || !wanted(child)) return retire(engine, name)
  engine.put(name, {
    ...child,
    phase: 'ready',
    outcome: null,
    run: incoming,
    nextStart: null,
    wakeAtMs: null,
    watchdogDueMs: null,
    health: 'unknown',
    reason: '',
  })
  saveRun(engine, incoming, child.spec, 'active')
  if (!child.run) {
    engine.drop(nextName(name))
    return
  }
  engine.put(nextName(name), { ...next, phase: 'ready', run: child.run, wakeAtMs: null, watchdogDueMs: null })
  saveRun(engine, child.run, child.spec, 'old')
  retire(engine, name)
}

function wanted(child: Child): boolean {
  return (
    child.desired === 'up' && child.phase !== 'stopped' && child.phase !== 'held' && child.phase !== 'done'
  )
}

function retire(engine: Engine, name: string): void {
  const then = { kind: 'rest', stays: false } as const
  engine.feed(nextName(name), { kind: 'stop', then, by: 'reload', why: 'the module has another run' })
}

function end(engine: Engine, key: string, next: Child): void {
  const failed =
    next.phase === 'done' || next.phase === 'backoff' || (next.phase === 'held' && next.hold?.kill == null)
  if (failed) {
    engine.note('alert', next.spec.name, next.lastExit?.run_id ?? null, {
      reason: `reload failed, the old run goes on: ${next.reason}`,
    })
  }
  engine.drop(key)
}
