/**
 * `mark kill release` and `mark kill list`. A release always exists locally: it works with no keeper
 * alive. It starts nothing.
 */
import { existsSync, rmSync } from 'node:fs'
import { MarkError } from '../../core/errors.ts'
import { covers } from '../../core/kill.ts'
import { haltFile, readLatches, removeLatch } from '../../host/latch.ts'
import { askKeeper } from '../../host/line-socket.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { CliContext } from '../context.ts'
import { killLine } from '../paint-status.ts'
import { visible } from '../visible.ts'
import { planOf } from './kill.ts'

const KEEPER_MS = 1_000

export async function release(context: CliContext, typed: string, reason: string): Promise<number> {
  const state = context.stateDir()
  if (reason.trim() === '')
    throw new MarkError('MARK_USAGE', 'A release needs a reason.', 'say why: --reason "...".')
  const id = fullId(state, typed)
  if (id === 'KILL') rmSync(state.killFile, { force: true })
  else if (!(await releaseByKeeper(context, state, id, reason))) releaseAlone(state, id)
  context.out(`released ${visible(id)}. What it stopped stays stopped until \`mark start M\`.`)
  return 0
}

/** The id that was typed, or the only one that begins like it. */
function fullId(state: StateDir, typed: string): string {
  if (typed === 'KILL' && existsSync(state.killFile)) return 'KILL'
  const ids = readLatches(state.latchDir).kills.map(kill => kill.id)
  const like = ids.includes(typed) ? [typed] : ids.filter(id => id.startsWith(typed))
  if (like.length === 1) return like[0] as string
  const what =
    like.length === 0 ? `There is no kill ${visible(typed)}.` : `${visible(typed)} fits ${like.length} kills.`
  throw new MarkError('MARK_NO_SUCH_KILL', what, '`mark kill list` shows what is tripped.')
}

async function releaseByKeeper(
  context: CliContext,
  state: StateDir,
  id: string,
  reason: string,
): Promise<boolean> {
  try {
    await askKeeper(state.keeperSocket, { ask: 'release', kill_id: id, reason, by: context.by }, KEEPER_MS)
    return true
  } catch (error) {
    const away =
      error instanceof MarkError && (error.code === 'MARK_NOT_RUNNING' || error.code === 'MARK_KEEPER_SILENT')
    if (!away) throw error
    return false
  }
}

function releaseAlone(state: StateDir, id: string): void {
  const plan = planOf(state)
  // The keeper may have taken it away a moment before it fell silent.
  if (readLatches(state.latchDir).kills.some(kill => kill.id === id)) removeLatch(state, id)
  const { kills } = readLatches(state.latchDir)
  for (const spec of plan?.modules ?? []) {
    if (!kills.some(kill => covers(kill.scope, spec.name, plan))) haltFile(state, spec.name, null)
  }
}

export async function list(context: CliContext): Promise<number> {
  const state = context.stateDir()
  const { kills } = readLatches(state.latchDir)
  if (context.options.json) context.json({ kills })
  else if (kills.length === 0) context.out('no kill switch is tripped.')
  else {
    for (const kill of kills)
      context.out(`${context.paint('red', killLine(kill))}${kill.note ? ` ${visible(kill.note)}` : ''}`)
  }
  return 0
}
