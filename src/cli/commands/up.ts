/**
 * `mark up`: applies the configuration and waits until each module is up (-d), or follows the fleet until
 * Ctrl-C. Refused means untouched. What it started goes on when this command dies, unless a container lives
 * by it.
 */
import { MarkError } from '../../core/errors.ts'
import { type Plan, realMoney } from '../../core/plan.ts'
import { allSettled } from '../../core/settle.ts'
import { withDependencies } from '../../core/chain.ts'
import { knownIn, resolveTargets } from '../../core/targets.ts'
import { loadLibc } from '../../host/libc.ts'
import { describe, isOfFleet, lockOwner } from '../../host/run-lock.ts'
import type { CliContext } from '../context.ts'
import { requireKeeper } from '../fleet.ts'
import type { Waited } from '../follow.ts'
import { loadPlan, type PlanFlags } from '../load-plan.ts'
import { showProgress } from '../progress.ts'
import { span } from '../table.ts'
import { visibleCell } from '../visible.ts'
import { takeDown } from './down.ts'
import { type Application, apply } from './up-application.ts'
import { type Container, enterContainer } from './up-container.ts'
import { followForeground } from './up-foreground.ts'

export interface UpOptions {
  readonly modules: readonly string[]
  readonly detach: boolean
  readonly atomic: boolean
  readonly timeoutMs: number | null
  readonly refreshEnv: boolean
  readonly one: boolean
  readonly flags: PlanFlags
}

export async function up(context: CliContext, options: UpOptions): Promise<number> {
  if (options.one) throw new MarkError('MARK_UNSUPPORTED', '`mark up --one` is not in this version of MARK.')
  const container = enterContainer(context)
  try {
    if (options.detach) refuseToDetach(container)
    return await upWith(context, options, container)
  } finally {
    container?.close()
  }
}

/** Process 1 that returns takes the whole container with it, by SIGKILL. */
function refuseToDetach(container: Container | null): void {
  if (!container?.role.isInit) return
  const sentence = '`mark up -d` as process 1 would end this container and the fleet with it.'
  throw new MarkError('MARK_USAGE', sentence, 'leave -d out: `mark up` stays and keeps the container.')
}

async function upWith(context: CliContext, options: UpOptions, container: Container | null): Promise<number> {
  const { plan, warning } = await loadPlan(context, options)
  if (warning !== null) context.note(warning)
  refuseWithoutLibc(plan)
  const only = options.modules.length === 0 ? null : resolveTargets(options.modules, knownIn(plan))
  refuseHeldLocks(context, plan, only)
  const atomic = options.atomic || plan.start.atomic
  const application = await apply(context, plan, only, atomic)
  if (application.first || container !== null) sayWhatIsMissing(context, application)
  const timeoutMs = options.timeoutMs ?? plan.start.deadlineMs
  if (options.detach) return await detached(context, application, { atomic, timeoutMs })
  const prove = (stop: Promise<unknown>): Promise<Waited> =>
    proveAtomic(context, application, timeoutMs, stop)
  // A command that joins a fleet is not what its container lives by, unless it must be.
  const keeps = container?.role.certain === true || !application.joined
  return await followForeground(context, application, atomic ? prove : null, keeps ? container : null)
}

/** What could never come up, or must not run on less than everything, is refused before anything starts. */
function refuseWithoutLibc(plan: Plan): void {
  const deaf = plan.modules.filter(spec => spec.ready.kind === 'notify').map(spec => spec.name)
  if ((deaf.length === 0 && !realMoney(plan)) || loadLibc() !== null) return
  const why = realMoney(plan) ? 'this fleet moves real money' : `${deaf.join(', ')} is ready by sd_notify`
  throw new MarkError(
    'MARK_UNSUPPORTED',
    `koffi cannot be loaded here, and ${why}.`,
    'reinstall mark-keeper with its dependencies; `mark doctor` says what is missing.',
  )
}

/** What another fleet trades on is refused before anything starts. */
function refuseHeldLocks(context: CliContext, plan: Plan, only: readonly string[] | null): void {
  const wanted = new Set(only === null ? null : withDependencies(plan.modules, only))
  for (const { name, lock } of plan.modules) {
    if (lock === null || (only !== null && !wanted.has(name))) continue
    const owner = lockOwner(lock, loadLibc())
    if (owner === null || isOfFleet(owner, context.stateDir().dir)) continue
    throw new MarkError(
      'MARK_LOCK_HELD',
      `${name} may not start: the lock ${lock} is held by ${describe(owner)}.`,
      'One live run trades on an account: stop the other one first, where it was started.',
    )
  }
}

/** Once, by the command that began the fleet; `mark status` goes on saying it. */
function sayWhatIsMissing(context: CliContext, { follow }: Application): void {
  for (const what of follow.head.degraded) context.note(`degraded: ${visibleCell(what)}`)
}

interface Wait {
  readonly atomic: boolean
  readonly timeoutMs: number
}

async function detached(context: CliContext, application: Application, wait: Wait): Promise<number> {
  const progress = showProgress(context, application.follow, new Set(application.targets))
  let how: Waited
  try {
    how = await waitSettled(context, application, wait)
  } finally {
    progress.end()
  }
  const failure = failureOf(application, how, wait.timeoutMs)
  if (failure === null) {
    context.note(summary(application))
    application.follow.keeper.close()
    return 0
  }
  if (wait.atomic) await undo(context, application)
  else application.follow.keeper.close()
  throw wait.atomic
    ? new MarkError('MARK_FAILED', failure.message, 'what this call started was stopped again.')
    : failure
}

/**
 * Waits until no target is pending, or (atomic) until one failed; goes on with a successor of a lost
 * keeper.
 */
async function waitSettled(
  context: CliContext,
  application: Application,
  wait: Wait,
  stop?: Promise<unknown>,
): Promise<Waited> {
  const deadline = performance.now() + wait.timeoutMs
  const { follow } = application
  const over = (): boolean => {
    const each = application.targets.map(application.settled)
    return allSettled(each) !== 'pending' || (wait.atomic && each.includes('bad'))
  }
  for (;;) {
    const how = await follow.until(over, Math.max(0, deadline - performance.now()), stop)
    if (how !== 'closed') return how
    await follow.attach(await requireKeeper(context))
  }
}

function failureOf(application: Application, how: Waited, timeoutMs: number): MarkError | null {
  const { targets, settled, follow } = application
  const tell = (name: string): string => {
    const view = follow.views.get(name)
    return view
      ? `${name} is ${view.state}${view.reason ? ` (${visibleCell(view.reason)})` : ''}`
      : `${name} is gone`
  }
  const bad = targets.filter(name => settled(name) === 'bad')
  if (how === 'timeout') {
    const late = targets.filter(name => settled(name) !== 'good')
    const sentence = `Not all was up within ${span(timeoutMs / 1000)}: ${late.map(tell).join('; ')}.`
    return new MarkError(
      'MARK_TIMED_OUT',
      sentence,
      `MARK goes on trying; see \`mark logs ${late[0] ?? ''}\`.`,
    )
  }
  if (bad.length === 0) return null
  const sentence = `${bad.length} of ${targets.length} did not come up: ${bad.map(tell).join('; ')}.`
  return new MarkError(
    'MARK_FAILED',
    sentence,
    `see \`mark logs ${bad[0]}\` and \`mark describe ${bad[0]}\`.`,
  )
}

/** Stops what this call started, in reverse order: everything, when nothing ran before. */
async function undo(context: CliContext, application: Application): Promise<void> {
  const { follow, first, started } = application
  context.note('not all came up: stopping what this call started.')
  const progress = showProgress(context, follow, null)
  try {
    if (first) return await takeDown(context, follow, null)
    await follow.keeper.ask({
      ask: 'stop',
      modules: started,
      by: context.by,
      reason: 'up --atomic: not all came up',
    })
    await follow.refresh()
    await follow.until(() => started.every(name => (follow.views.get(name)?.pid ?? null) === null), null)
  } finally {
    progress.end()
    follow.keeper.close()
  }
}

/** For a foreground `up`: when not all came up, stops what this call started and throws. */
async function proveAtomic(
  context: CliContext,
  application: Application,
  timeoutMs: number,
  stop: Promise<unknown>,
): Promise<Waited> {
  const how = await waitSettled(context, application, { atomic: true, timeoutMs }, stop)
  const failure = how === 'interrupted' ? null : failureOf(application, how, timeoutMs)
  if (failure === null) return how
  await undo(context, application)
  throw new MarkError('MARK_FAILED', failure.message, 'what this call started was stopped again.')
}

function summary({ plan, targets, follow }: Application): string {
  const completed = targets.filter(name => follow.views.get(name)?.state === 'completed').length
  const ready = targets.length - completed
  const parts = [`${ready} ready`, ...(completed > 0 ? [`${completed} completed`] : [])]
  const next = 'Look with `mark status` and `mark logs -f`, stop with `mark down`.'
  return `${plan.fleet} is up: ${parts.join(', ')}. ${next}`
}
