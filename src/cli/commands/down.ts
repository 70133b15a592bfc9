/**
 * `mark down`: stops the modules in reverse order, then MARK. Done when the keeper is gone; where nothing
 * runs it is done already. A second Ctrl-C ends the grace of what is stopping.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { MarkError } from '../../core/errors.ts'
import { lockHolder } from '../../host/lock-holder.ts'
import type { CliContext } from '../context.ts'
import { isDeserted, readDisk } from '../disk.ts'
import { revive } from '../fleet.ts'
import { Follow } from '../follow.ts'
import { ensureKeeper, findKeeper } from '../keeper-start.ts'
import { showProgress } from '../progress.ts'

export async function down(context: CliContext, timeoutMs: number | null): Promise<number> {
  if (context.place().stateDir === null) context.stateDir() // throws: there is no fleet here
  let keeper = await findKeeper(context)
  if (keeper === null) {
    const disk = readDisk(context.stateDir())
    if (!isDeserted(disk)) {
      context.note('nothing runs here.')
      return 0
    }
    // What runs must be adopted to be stopped in order, with its hooks and its grace.
    keeper = await revive(context, 'hand')
  }
  const follow = await Follow.start(keeper)
  const progress = showProgress(context, follow, null)
  let interrupts = 0
  const unlisten = context.onSignal('SIGINT', () => {
    if (++interrupts > 1) hurry(context, follow, progress.say)
    else progress.say('stopping goes on; Ctrl-C again ends the grace of what is still stopping.')
  })
  try {
    await takeDown(context, follow, timeoutMs)
  } finally {
    progress.end()
    unlisten()
  }
  context.note('all is down.')
  return 0
}

export function hurry(context: CliContext, follow: Follow, say: (line: string) => void): void {
  say('ending the grace: what is left is killed.')
  follow.keeper.ask({ ask: 'hurry', by: context.by }).catch(() => {}) // gone already is as good
}

/**
 * Asks for `down` and waits until no keeper holds the lock. A keeper killed on the way is replaced and
 * asked again.
 */
export async function takeDown(context: CliContext, follow: Follow, timeoutMs: number | null): Promise<void> {
  const deadline = timeoutMs === null ? null : performance.now() + timeoutMs
  for (;;) {
    await askDown(context, follow)
    const left = deadline === null ? null : Math.max(0, deadline - performance.now())
    const how = await follow.until(() => false, left)
    if (how === 'timeout') throw stillThere(follow, timeoutMs ?? 0)
    if (await isGone(context)) return
    await follow.attach(await ensureKeeper(context, 'hand'))
  }
}

async function askDown(context: CliContext, follow: Follow): Promise<void> {
  try {
    await follow.keeper.ask({ ask: 'down', by: context.by })
  } catch (error) {
    // With nothing to stop, the keeper may be gone before it has answered.
    if (!(error instanceof MarkError) || error.code !== 'MARK_NOT_RUNNING') throw error
  }
}

/** The connection closed: did the keeper end as asked, or was it killed? */
export async function isGone(context: CliContext): Promise<boolean> {
  const { keeperLock } = context.stateDir()
  for (let waited = 0; waited < 3000; waited += 20) {
    const disk = readDisk(context.stateDir())
    if (disk.children?.open !== true && lockHolder(keeperLock) === null) return true
    if (disk.children?.open === true && waited >= 300) return false
    await delay(20)
  }
  return false
}

function stillThere(follow: Follow, timeoutMs: number): MarkError {
  const left = [...follow.views.values()].filter(view => view.pid !== null).map(view => view.name)
  const who = left.length === 0 ? 'the keeper' : left.join(', ')
  const sentence = `Not everything was down within ${Math.round(timeoutMs / 1000)} s: ${who} still runs.`
  return new MarkError('MARK_TIMED_OUT', sentence, 'stopping goes on; `mark status` shows it.')
}
