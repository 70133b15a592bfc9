/**
 * `mark start stop restart reload hold unhold M...`: asks the keeper, waits until it is done and says what
 * happened.
 */
import { MarkError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { allSettled, downSettled, type Settled, upSettled } from '../../core/settle.ts'
import { knownIn, resolveTargets } from '../../core/targets.ts'
import type { FleetEvent, ModuleView } from '../../core/view.ts'
import type { CliContext } from '../context.ts'
import { requireKeeper } from '../fleet.ts'
import { Follow } from '../follow.ts'
import { showProgress } from '../progress.ts'
import { span } from '../table.ts'
import { visibleCell } from '../visible.ts'

export type TargetedVerb = 'start' | 'stop' | 'restart' | 'reload' | 'hold' | 'unhold'

export interface TargetedOptions {
  readonly modules: readonly string[]
  readonly all: boolean
  readonly timeoutMs: number
  readonly wait: boolean
  readonly reason: string | null
}

export async function targeted(
  context: CliContext,
  verb: TargetedVerb,
  options: TargetedOptions,
): Promise<number> {
  if (options.modules.length === 0 && !options.all) {
    throw new MarkError(
      'MARK_USAGE',
      `\`mark ${verb}\` needs to know which modules.`,
      `name them, or say \`mark ${verb} --all\`.`,
    )
  }
  const keeper = await requireKeeper(context)
  try {
    const { plan } = (await keeper.ask({ ask: 'plan' })) as { plan: Plan | null }
    if (plan === null)
      throw new MarkError('MARK_NOT_RUNNING', 'This fleet is not up.', 'start it with `mark up`.')
    const modules = options.all ? knownIn(plan).modules : resolveTargets(options.modules, knownIn(plan))
    const follow = await Follow.start(keeper)
    return await carryOut(context, verb, follow, modules, options)
  } finally {
    keeper.close()
  }
}

async function carryOut(
  context: CliContext,
  verb: TargetedVerb,
  follow: Follow,
  modules: readonly string[],
  options: TargetedOptions,
): Promise<number> {
  const before = new Map(follow.views)
  const failedReloads = new Map<string, string>()
  follow.onEvent(event => noteFailedReload(event, failedReloads))
  const answer = await follow.keeper.ask({ ask: verb, modules, by: context.by, reason: options.reason })
  for (const said of (answer as { notes?: string[] }).notes ?? []) context.note(`note: ${visibleCell(said)}`)
  if (!options.wait) {
    context.note(`${verb} of ${modules.join(', ')} is under way.`)
    return 0
  }
  await follow.refresh()
  const progress = showProgress(context, follow, new Set(modules))
  const settled = (name: string): Settled =>
    failedReloads.has(name) ? 'bad' : settledBy(verb, follow.views.get(name), before.get(name))
  const over = (): boolean => allSettled(modules.map(settled)) !== 'pending'
  const deadline = performance.now() + options.timeoutMs
  let how = await follow.until(over, options.timeoutMs)
  while (how === 'closed') {
    await follow.attach(await requireKeeper(context))
    how = await follow.until(over, Math.max(0, deadline - performance.now()))
  }
  progress.end()
  const bad = modules.filter(name => settled(name) !== 'good')
  if (bad.length > 0)
    throw failure(verb, bad, follow, failedReloads, how === 'timeout' ? options.timeoutMs : null)
  for (const name of modules) context.note(doneLine(verb, name, follow.views.get(name), before.get(name)))
  return 0
}

function settledBy(
  verb: TargetedVerb,
  view: ModuleView | undefined,
  before: ModuleView | undefined,
): Settled {
  switch (verb) {
    case 'start':
      return upSettled(view)
    case 'restart':
      return upSettled(view, before?.pid == null ? null : before.run_id)
    case 'reload': {
      const replaced = upSettled(view, before?.state === 'ready' ? before.run_id : null)
      return replaced === 'good' && (view?.spares.length ?? 0) > 0 ? 'pending' : replaced
    }
    case 'stop':
    case 'hold':
      return downSettled(view)
    case 'unhold':
      return view?.state === 'held' ? 'pending' : 'good'
  }
}

function noteFailedReload(event: FleetEvent, failed: Map<string, string>): void {
  const reason = event.data.reason
  if (event.kind !== 'alert' || event.module === null || typeof reason !== 'string') return
  if (reason.startsWith('reload failed')) failed.set(event.module, reason)
}

function failure(
  verb: TargetedVerb,
  bad: readonly string[],
  follow: Follow,
  reloads: ReadonlyMap<string, string>,
  timeoutMs: number | null,
): MarkError {
  const tell = (name: string): string => {
    const view = follow.views.get(name)
    const why = reloads.get(name) ?? view?.reason ?? ''
    return `${name} is ${view?.state ?? 'gone'}${why ? ` (${visibleCell(why)})` : ''}`
  }
  const list = bad.map(tell).join('; ')
  if (timeoutMs !== null) {
    const sentence = `${verb} was not done within ${span(timeoutMs / 1000)}: ${list}.`
    return new MarkError('MARK_TIMED_OUT', sentence, 'it goes on; `mark status` shows it.')
  }
  return new MarkError(
    'MARK_FAILED',
    `${verb} failed: ${list}.`,
    `see \`mark logs ${bad[0]}\` and \`mark describe ${bad[0]}\`.`,
  )
}

function doneLine(
  verb: TargetedVerb,
  name: string,
  view: ModuleView | undefined,
  before: ModuleView | undefined,
): string {
  const state = view?.state ?? 'gone'
  const pid = view?.pid == null ? '' : `, pid ${view.pid}`
  const same = view?.run_id === before?.run_id && view?.state === before?.state
  if (same && (verb === 'start' || verb === 'stop' || verb === 'hold'))
    return `${name} was ${state} already${pid}`
  return `${name} is ${state}${pid}`
}
