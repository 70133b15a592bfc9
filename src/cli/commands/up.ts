/**
 * `mark up`: applies the configuration and waits until each module is up (-d), or follows the fleet until
 * Ctrl-C. Refused means untouched. What it started goes on when this command dies.
 */
import { MarkError } from '../../core/errors.ts'
import { allSettled } from '../../core/settle.ts'
import { knownIn, resolveTargets } from '../../core/targets.ts'
import type { CliContext } from '../context.ts'
import { requireKeeper } from '../fleet.ts'
import type { Waited } from '../follow.ts'
import { loadPlan, type PlanFlags } from '../load-plan.ts'
import { showProgress } from '../progress.ts'
import { span } from '../table.ts'
import { visibleCell } from '../visible.ts'
import { takeDown } from './down.ts'
import { type Application, apply } from './up-application.ts'
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
  const { plan, warning } = await loadPlan(context, options)
  if (warning !== null) context.note(warning)
  const only = options.modules.length === 0 ? null : resolveTargets(options.modules, knownIn(plan))
  const atomic = options.atomic || plan.start.atomic
  const application = await apply(context, plan, only, atomic)
  const timeoutMs = options.timeoutMs ?? plan.start.deadlineMs
  if (options.detach) return await detached(context, application, { atomic, timeoutMs })
  const prove = (stop: Promise<unknown>): Promise<Waited> =>
    proveAtomic(context, application, timeoutMs, stop)
  return await followForeground(context, application, atomic ? prove : null)
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
