/**
 * One call of `mark up` as the keeper accepted it: what it wants up, what it started, and how each stands.
 * A refused first call leaves nothing behind.
 */
import { readDisk } from '../disk.ts'
import { MarkError } from '../../core/errors.ts'
import type { Change, Plan } from '../../core/plan.ts'
import { type Settled, upSettled } from '../../core/settle.ts'
import { logicalSize } from '../../host/log-file.ts'
import type { CliContext } from '../context.ts'
import { Follow } from '../follow.ts'
import { ensureKeeper, findKeeper } from '../keeper-start.ts'
import { callerSecrets } from '../load-plan.ts'
import { visibleCell } from '../visible.ts'
import { takeDown } from './down.ts'

const ATTEMPTS = 3

/** The keeper's answer to `apply`. */
interface Applied {
  readonly changes: readonly Change[]
  readonly first: boolean
  readonly targets: readonly string[]
  readonly left?: readonly { readonly module: string; readonly reason: string }[]
}

/** One call of `up`, once it was accepted. */
export interface Application {
  readonly follow: Follow
  readonly plan: Plan
  readonly first: boolean
  /** A keeper was there before this call. */
  readonly joined: boolean
  readonly targets: readonly string[]
  /** Modules that run because of this call, or run anew. */
  readonly started: readonly string[]
  /** Logical size of the log of each module and each job before this call. */
  readonly logFrom: ReadonlyMap<string, number>
  settled(name: string): Settled
}

/**
 * A keeper that is killed before it answers has a successor, which is asked again: the same plan changes
 * nothing twice.
 */
export async function apply(...call: Call): Promise<Application> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await applyOnce(...call)
    } catch (error) {
      const isGone = error instanceof MarkError && error.code === 'MARK_NOT_RUNNING'
      if (!isGone || attempt === ATTEMPTS) throw error
    }
  }
}

type Call = [context: CliContext, plan: Plan, only: readonly string[] | null, atomic: boolean]

async function applyOnce(...[context, plan, only, atomic]: Call): Promise<Application> {
  const existing = await findKeeper(context)
  const wasOpen = existing !== null || readDisk(context.stateDir()).children?.open === true
  const keeper = existing ?? (await ensureKeeper(context))
  const follow = await Follow.start(keeper)
  const before = new Map(follow.views)
  const { logs } = context.stateDir()
  const logged = [...plan.modules, ...(plan.jobs ?? [])]
  const logFrom = new Map(logged.map(({ name }) => [name, logicalSize(logs, name)]))
  let applied: Applied
  try {
    const ask = {
      ask: 'apply',
      plan,
      only,
      secretValues: callerSecrets(plan, context.env),
      atomic,
      by: context.by,
    } as const
    applied = (await keeper.ask(ask)) as Applied
  } catch (error) {
    // A refused first `up` leaves nothing behind, not even its keeper; a session that was open stays open.
    const idle = [...follow.views.values()].every(view => view.pid === null)
    if (!wasOpen && idle) await takeDown(context, follow, 10_000).catch(() => {})
    throw error
  }
  for (const { module, reason } of applied.left ?? [])
    context.note(`${module} is left alone: ${visibleCell(reason)}`)
  const anew = new Set(
    applied.changes.filter(change => change.change === 'restart').map(change => change.module),
  )
  const oldRun = (name: string): string | null => (anew.has(name) ? (before.get(name)?.run_id ?? null) : null)
  await follow.refresh()
  return {
    follow,
    plan,
    first: applied.first,
    joined: existing !== null,
    targets: applied.targets,
    logFrom,
    started: applied.targets.filter(name => anew.has(name) || (before.get(name)?.pid ?? null) === null),
    settled: name => upSettled(follow.views.get(name), oldRun(name)),
  }
}
