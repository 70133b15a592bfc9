/**
 * The kill switch in the keeper: latches on disk are the truth, children are held while one covers them. The
 * latch absorbs everything; only a release ends it.
 */
import type { Ask } from '../contract/keeper.ts'
import { type ChildEvent, isLive } from '../core/child.ts'
import { DAEMON, moduleName } from '../core/child-name.ts'
import { MarkError } from '../core/errors.ts'
import { covers, heldByKill, isVerified, killHold, parseScope } from '../core/kill.ts'
import { formatUtc } from '../core/time.ts'
import type { Engine } from './engine.ts'

/** Durable before anything else happens; then everything in scope is on its way down. */
export function trip(engine: Engine, ask: Extract<Ask, { ask: 'kill' }>): unknown {
  const scope = parseScope(ask.scope, engine.plan)
  const at = formatUtc(engine.world.now().wallMs)
  engine.readLatches()
  if (!engine.kills.some(known => known.id === ask.kill_id)) {
    engine.world.latches.trip({
      id: ask.kill_id,
      level: ask.level,
      scope,
      reason: ask.reason,
      by: ask.by,
      at,
      complete: false,
    })
  }
  enforceKills(engine)
  return { id: ask.kill_id, scope }
}

/**
 * Everything a latch covers is held or on its way there, and what was held by a latch that is no more is
 * free: it stays stopped until somebody starts it. Called after every look at the latches.
 */
export function enforceKills(engine: Engine): void {
  engine.readLatches()
  const items: { name: string; event: ChildEvent }[] = []
  for (const [name, child] of engine.children) {
    const latch = engine.latchOf(moduleName(name))
    if (name === child.spec.name && name !== DAEMON)
      engine.world.latches.halt(child.spec, latch?.level ?? null)
    if (latch && latch.level !== 'pause') items.push({ name, event: { kind: 'hold', hold: killHold(latch) } })
    if (!latch && heldByKill(child))
      items.push({ name, event: { kind: 'unhold', by: 'release', start: false } })
  }
  engine.feedAll(items)
  completeKills(engine)
}

/** A kill is complete only when nothing in scope lives and every module could verify its orders. */
export function completeKills(engine: Engine): void {
  for (const latch of engine.kills) {
    if (latch.complete || engine.settledKills.has(latch.id)) continue
    const covered = [...engine.children.values()].filter(
      child => !child.spec.name.startsWith('@') && covers(latch.scope, child.spec.name, engine.plan),
    )
    if (latch.level !== 'pause' && covered.some(isLive)) continue
    engine.settledKills.add(latch.id)
    const verified = latch.level === 'halt' && covered.every(isVerified)
    const stopped = verified ? 'stopped, verified' : 'stopped, orders unverified'
    const note = latch.level === 'pause' ? 'halt files written' : stopped
    engine.world.latches.complete(latch.id, verified, note)
    engine.note('kill_complete', null, null, { id: latch.id, note, complete: verified })
    engine.readLatches()
  }
}

export function release(engine: Engine, ask: Extract<Ask, { ask: 'release' }>): unknown {
  const { kill_id, reason, by } = ask
  if (!engine.world.latches.release(kill_id)) {
    throw new MarkError(
      'MARK_NO_SUCH_KILL',
      `There is no kill ${kill_id}.`,
      'mark status lists what is tripped.',
    )
  }
  engine.note('released', null, null, { id: kill_id, reason, by })
  enforceKills(engine)
  return { id: kill_id }
}
