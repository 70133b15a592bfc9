/**
 * `mark up` as what a container lives by: process 1, or the one child of a bare init. Its end is the end of
 * every process in there, so it stays until the fleet is down: signals mean `down` within MARK_STOP_TIMEOUT,
 * nothing detaches, the keeper's death is survived. As process 1 it reaps what everybody leaves behind.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { MarkError } from '../../core/errors.ts'
import { fleetEnd } from '../../core/fleet-end.ts'
import { shareMs, wavesLeft } from '../../core/stop-share.ts'
import { formatDuration, parseDurationMs } from '../../core/time.ts'
import type { ModuleView } from '../../core/view.ts'
import { systemClock } from '../../host/clock.ts'
import { InitReaper } from '../../host/init-reaper.ts'
import { type ContainerRole, containerRole } from '../../host/init-role.ts'
import { loadLibc } from '../../host/libc.ts'
import type { CliContext } from '../context.ts'
import { requireKeeper } from '../fleet.ts'
import { Interrupts, listenTo } from '../interrupts.ts'
import { hurry, isGone, takeDown } from './down.ts'
import type { Application } from './up-application.ts'

/** `docker stop` kills ten seconds after it asked; MARK itself needs a little of that. */
const STOP_MS = 8_000
const AGAIN_MS = 500

export interface Container {
  readonly role: ContainerRole
  readonly stopMs: number
  readonly interrupts: Interrupts
  close(): void
}

/**
 * null: no container lives by this command. Listens from here on, because a signal without a listener does
 * not reach a process 1 at all. Throws MARK_USAGE for a MARK_STOP_TIMEOUT that is no duration.
 */
export function enterContainer(context: CliContext): Container | null {
  const { MARK_STOP_TIMEOUT: named } = context.env
  const role = containerRole({ pid: process.pid, ppid: process.ppid, named: Boolean(named) })
  if (role === null) return null
  const stopMs = named ? parseDurationMs(named) : STOP_MS
  if (stopMs === null) {
    const sentence = `MARK_STOP_TIMEOUT is ${JSON.stringify(named)}, which is not a duration.`
    throw new MarkError('MARK_USAGE', sentence, 'write it as 8s or 1m.')
  }
  const interrupts = new Interrupts(context, ['SIGTERM', 'SIGINT', 'SIGQUIT'])
  const unlisten = listenTo(context, 'SIGHUP', () =>
    context.note(
      'SIGHUP: there is nothing to detach from in a container; `mark up` in here applies a change.',
    ),
  )
  const reaper = role.isInit ? startReaper(context) : null
  const close = (): void => {
    interrupts.close()
    unlisten()
    reaper?.close()
  }
  return { role, stopMs, interrupts, close }
}

/** Reaping ends with the process: until then anybody's orphan may come. */
function startReaper(context: CliContext): { close(): void } | null {
  const libc = loadLibc()
  if (libc === null) {
    context.note('koffi is missing: nothing reaps what modules leave behind. Run the container with --init.')
    return null
  }
  const report = (problem: string): void => context.err(`warning: ${problem}`)
  const reaper = new InitReaper({ libc, clock: systemClock, pid: process.pid, report })
  if (context.place().stateDir !== null) reaper.keepEvidence(context.stateDir())
  const unlisten = listenTo(context, 'SIGCHLD', () => reaper.childChanged())
  reaper.childChanged()
  const close = (): void => {
    unlisten()
    reaper.close()
  }
  return { close }
}

/** Stays until the fleet was taken down, was told to end, or is over. Its status is the container's. */
export async function stayInContainer(
  context: CliContext,
  application: Application,
  container: Container,
): Promise<number> {
  const { follow } = application
  const { interrupts } = container
  for (;;) {
    const over = (): boolean => fleetEnd(follow.views.values()) !== null
    const how = await follow.until(over, null, interrupts.first)
    if (how === 'interrupted') return await stop(context, application, container)
    if (how === 'met') return await end(context, application)
    if (await isGone(context)) {
      context.note('the fleet was taken down.')
      return 0
    }
    if (!(await findSuccessor(context, application, interrupts)))
      return await stop(context, application, container)
    context.note('MARK was replaced by its successor; the fleet runs on.')
  }
}

/** Tries for ever: to give up would be to kill the fleet. False: told to end meanwhile. */
async function findSuccessor(
  context: CliContext,
  { follow }: Application,
  interrupts: Interrupts,
): Promise<boolean> {
  let said = ''
  while (interrupts.firstMs === null) {
    try {
      await follow.attach(await requireKeeper(context))
      return true
    } catch (error) {
      const { message } = error as Error
      if (message !== said) context.err(`warning: ${message} MARK goes on trying.`)
      said = message
      await delay(AGAIN_MS)
    }
  }
  return false
}

async function end(context: CliContext, { follow }: Application): Promise<number> {
  const well = fleetEnd(follow.views.values()) === 'good'
  const failed = [...follow.views.values()].filter(view => view.state === 'failed').map(view => view.name)
  context.note(well ? 'all is completed.' : `nothing runs any more: ${failed.join(', ')} failed.`)
  await takeDown(context, follow, null)
  return well ? 0 : 1
}

async function stop(context: CliContext, application: Application, container: Container): Promise<number> {
  const { interrupts, stopMs } = container
  const { follow } = application
  context.note(`stopping the fleet within ${formatDuration(stopMs)}; a second signal ends the grace.`)
  interrupts.onAgain = () => hurry(context, follow, context.note)
  const cut = cutGrace(context, application, (interrupts.firstMs ?? performance.now()) + stopMs)
  try {
    await takeDown(context, follow, null)
  } finally {
    cut.close()
  }
  context.note('all is down.')
  return 0
}

/** Gives each module its share of the time that is left when its turn to stop comes, and then no more. */
function cutGrace(context: CliContext, { follow, plan }: Application, endsMs: number): { close(): void } {
  const timers = new Set<NodeJS.Timeout>()
  const after = (ms: number, act: () => void): void => {
    timers.add(setTimeout(act, Math.max(0, ms)))
  }
  const begin = ({ name, run_id }: ModuleView): void => {
    const live = [...follow.views.values()].filter(view => view.pid !== null).map(view => view.name)
    const share = shareMs(endsMs - performance.now(), wavesLeft(plan.modules, name, new Set(live)))
    after(share, () => {
      const view = follow.views.get(name)
      if (view?.state !== 'stopping' || view.run_id !== run_id) return
      context.note(
        `${name} had its share of MARK_STOP_TIMEOUT, ${(share / 1000).toFixed(1)} s: it is killed.`,
      )
      const ask = { ask: 'hurry', by: context.by, modules: [name] } as const
      follow.keeper.ask(ask).catch(() => {}) // gone already is as good
    })
  }
  for (const view of follow.views.values()) if (view.state === 'stopping') begin(view)
  follow.onChange((view, before) => {
    if (view.state === 'stopping' && before?.state !== 'stopping') begin(view)
  })
  after(endsMs - performance.now(), () => hurry(context, follow, context.note))
  return {
    close: () => {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
