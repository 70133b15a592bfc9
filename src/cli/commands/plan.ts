/**
 * `mark plan`: what `mark up` would do to each module, and why. Changes nothing.
 */
import { withDependencies } from '../../core/chain.ts'
import { coveringKill } from '../../core/kill.ts'
import type { ChildrenDocument } from '../../core/keeper-state.ts'
import { type Change, type ChangeKind, difference, type Plan } from '../../core/plan.ts'
import { knownIn, resolveTargets } from '../../core/targets.ts'
import type { ModuleView, StatusDocument } from '../../core/view.ts'
import { askFleet } from '../ask-fleet.ts'
import type { CliContext } from '../context.ts'
import { readDisk } from '../disk.ts'
import { loadPlan } from '../load-plan.ts'
import type { Style } from '../paint.ts'
import { table } from '../table.ts'
import { visibleCell } from '../visible.ts'

interface Step {
  readonly module: string
  readonly action: ChangeKind
  readonly reason: string
}

const LOOKS: Readonly<Record<ChangeKind, readonly [string, Style]>> = {
  start: ['+', 'green'],
  restart: ['~', 'yellow'],
  update: ['~', 'cyan'],
  stop: ['-', 'red'],
  keep: ['=', 'dim'],
}

export async function plan(context: CliContext, words: readonly string[]): Promise<number> {
  const { plan: next, warning, previous } = await loadPlan(context)
  if (warning !== null) context.note(warning)
  const { document } = await askFleet(context)
  const names = knownIn(next)
  const chosen =
    words.length === 0 ? names.modules : withDependencies(next.modules, resolveTargets(words, names))
  const facts: Facts = {
    next,
    document,
    children: readDisk(context.stateDir()).children,
    chosen: new Set(chosen),
    named: words.length > 0,
  }
  const steps = difference(previous, next).map(change => stepFor(change, facts))
  const { fleet, mode, autonomy, strategy } = next
  if (context.options.json) context.json({ fleet, mode, autonomy, strategy, steps })
  else for (const line of lines(steps, context)) context.out(line)
  return 0
}

interface Facts {
  readonly next: Plan
  readonly document: StatusDocument
  readonly children: ChildrenDocument | null
  readonly chosen: ReadonlySet<string>
  readonly named: boolean
}

function stepFor({ module, change, reason }: Change, facts: Facts): Step {
  const view = facts.document.modules.find(candidate => candidate.name === module)
  const live = view?.pid != null
  if (change === 'stop') return { module, action: live ? 'stop' : 'keep', reason }
  if (live && change === 'start') return { module, action: 'keep', reason: 'runs already' }
  if (live) return { module, action: change, reason }
  const rests = whyItRests(module, change, view, facts)
  if (rests !== null) return { module, action: 'keep', reason: rests }
  const kill = coveringKill(facts.document.kills, module, facts.next)
  if (kill) return { module, action: 'start', reason: `refused while ${kill.id} is tripped` }
  if (change === 'start') return { module, action: 'start', reason }
  return {
    module,
    action: 'start',
    reason: change === 'restart' ? `not running; ${reason}` : `is ${view?.state ?? 'stopped'}`,
  }
}

/** Why `up` would not start a module that does not run; null: it would. */
function whyItRests(
  module: string,
  change: ChangeKind,
  view: ModuleView | undefined,
  facts: Facts,
): string | null {
  if (!facts.chosen.has(module)) return 'not asked for'
  if (view?.hold) return `held: ${view.hold.reason}`
  if (facts.named || change === 'start' || change === 'restart') return null
  const memory = facts.children?.children[module]
  if (memory?.phase === 'stopped' && memory.desired === 'down' && memory.lastExit)
    return 'stopped by an operator'
  return view?.state === 'completed' && facts.children?.open === true ? 'completed before' : null
}

function lines(steps: readonly Step[], context: CliContext): string[] {
  const rows = steps.map(step => {
    const [sign, style] = LOOKS[step.action]
    return [context.paint(style, `${sign} ${step.action}`), step.module, visibleCell(step.reason)]
  })
  return table(
    [{ title: 'ACTION' }, { title: 'MODULE' }, { title: 'WHY' }],
    rows,
    context.isTty ? context.columns : null,
  )
}
