/**
 * Start order: what a module may do next, given how those it depends on are. Level-triggered: asked again
 * after every change, so a forgotten event never matters.
 */
import type { Child, ChildEvent } from './child.ts'
import type { Condition, Dependency, GroupSpec, ModuleSpec } from './plan.ts'
import type { ModuleState } from './view.ts'

export interface Peer {
  readonly state: ModuleState
  readonly reason: string
}

export type Gate =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'skip'; readonly reason: string }

/** `peers`: every module of the fleet by name. An unknown dependency never opens. */
export function gate(dependsOn: readonly Dependency[], peers: ReadonlyMap<string, Peer>): Gate {
  let waiting: Gate | null = null
  for (const { name, condition } of dependsOn) {
    const peer = peers.get(name)
    const answer = peer
      ? meets(name, peer, condition)
      : { kind: 'skip' as const, reason: `${name} is not declared` }
    if (answer.kind === 'skip') return answer
    if (answer.kind === 'wait') waiting ??= answer
  }
  return waiting ?? { kind: 'go' }
}

function meets(name: string, peer: Peer, condition: Condition): Gate {
  switch (peer.state) {
    case 'ready':
      return condition === 'completed' ? wait(`waits for ${name} to complete`) : { kind: 'go' }
    case 'completed':
      return { kind: 'go' }
    case 'starting':
      return condition === 'started' ? { kind: 'go' } : wait(`waits for ${name}: starting`)
    case 'waiting':
    case 'backoff':
    case 'stopping':
      return wait(`waits for ${name}: ${peer.state}`)
    default:
      return { kind: 'skip', reason: `${name} is ${peer.state}${peer.reason ? `: ${peer.reason}` : ''}` }
  }
}

function wait(reason: string): Gate {
  return { kind: 'wait', reason }
}

/**
 * Stop order of one wave: the modules among `live` that no other live module depends on. Stopping wave after
 * wave is the reverse dependency order.
 */
export function stopWave(modules: readonly ModuleSpec[], live: ReadonlySet<string>): string[] {
  const needed = new Set<string>()
  for (const spec of modules) {
    if (live.has(spec.name)) for (const dependency of spec.dependsOn) needed.add(dependency.name)
  }
  return [...live].filter(name => !needed.has(name))
}

/** `names` and everything they depend on, in plan order. */
export function withDependencies(modules: readonly ModuleSpec[], names: readonly string[]): string[] {
  const wanted = new Set(names)
  for (const spec of [...modules].reverse()) {
    if (wanted.has(spec.name)) for (const dependency of spec.dependsOn) wanted.add(dependency.name)
  }
  return modules.filter(spec => wanted.has(spec.name)).map(spec => spec.name)
}

/** Which other members restart when `failed` fails: none, all, or those declared after it. */
export function companions(groups: Readonly<Record<string, GroupSpec>>, failed: string): string[] {
  for (const group of Object.values(groups)) {
    const index = group.modules.indexOf(failed)
    if (index < 0) continue
    if (group.onFailure === 'one_for_all') return group.modules.filter(name => name !== failed)
    if (group.onFailure === 'rest_for_one') return group.modules.slice(index + 1)
  }
  return []
}

/** A gate's answer that would change nothing is not an event: the loop must come to rest. */
export function changes(child: Child, event: ChildEvent): boolean {
  if (child.outcome === 'skipped')
    return event.kind === 'go' || event.kind === 'block' || event.kind === 'hold'
  return event.kind !== 'block' || event.reason !== child.reason
}
