/**
 * `mark mode show`: whether real money is at stake, in what runs and in what mark.yaml asks for.
 */
import { MarkError } from '../../core/errors.ts'
import { realMoney } from '../../core/plan.ts'
import { askFleet } from '../ask-fleet.ts'
import type { CliContext } from '../context.ts'
import { loadPlan } from '../load-plan.ts'

export async function mode(context: CliContext, what: string): Promise<number> {
  if (what === 'set') {
    const hint = 'change mark.yaml or use `mark up --mode`, after `mark down`.'
    throw new MarkError('MARK_UNSUPPORTED', '`mark mode set` is not in this version of MARK.', hint)
  }
  const { document } = await askFleet(context)
  const { fleet, state, mode, autonomy, strategy, real_money } = document
  const asked = await configured(context)
  if (context.options.json) {
    context.json({ fleet, state, mode, autonomy, strategy, real_money, configured: asked })
    return 0
  }
  const stake = (real: boolean): string =>
    real ? context.paint(['red', 'bold'], 'REAL money is at stake') : 'no real money'
  context.out(`${fleet} (${state}): ${mode} ${autonomy} ${strategy}, ${stake(real_money)}`)
  const differs =
    asked !== null && (asked.mode !== mode || asked.autonomy !== autonomy || asked.strategy !== strategy)
  if (differs)
    context.out(
      `mark.yaml asks for: ${asked.mode} ${asked.autonomy} ${asked.strategy}, ${stake(asked.real_money)}`,
    )
  return 0
}

async function configured(context: CliContext) {
  try {
    const { plan } = await loadPlan(context)
    return { mode: plan.mode, autonomy: plan.autonomy, strategy: plan.strategy, real_money: realMoney(plan) }
  } catch (error) {
    if (!(error instanceof MarkError)) throw error
    context.note('the configuration cannot be read now: `mark check` says why.')
    return null
  }
}
