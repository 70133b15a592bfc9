/**
 * The foreground of `mark up`: the fleet's logs and its transitions until Ctrl-C. Ctrl-C takes down what
 * this call began; attached to a fleet that ran before, it only detaches. SIGHUP and death leave the fleet
 * running.
 */
import type { CliContext } from '../context.ts'
import { requireKeeper } from '../fleet.ts'
import type { Waited } from '../follow.ts'
import { Interrupts } from '../interrupts.ts'
import { LogStream } from '../log-stream.ts'
import { transitionLine } from '../progress.ts'
import { hurry, isGone, takeDown } from './down.ts'
import type { Application } from './up-application.ts'
import { type Container, stayInContainer } from './up-container.ts'

type Prove = (stop: Promise<unknown>) => Promise<Waited>

/**
 * `prove`: for --atomic, waits until all is up or throws; told when the operator interrupts. `container`: it
 * lives by this command, which therefore never detaches.
 */
export async function followForeground(
  context: CliContext,
  application: Application,
  prove: Prove | null,
  container: Container | null,
): Promise<number> {
  const { follow, first, plan } = application
  const jobs = plan.jobs ?? []
  const names = [...plan.modules, ...jobs].map(({ name }) => name)
  const stream = new LogStream(context, context.stateDir().logs, names)
  const width = Math.max(...names.map(name => name.length), 0)
  follow.onChange((view, before) => {
    if (before?.state !== view.state) context.note(transitionLine(view, context, width))
  })
  const interrupts = container?.interrupts ?? new Interrupts(context, ['SIGINT', 'SIGTERM'])
  interrupts.onAgain = () => hurry(context, follow, context.note)
  const ends = endsBy(first, container)
  const others = jobs.length === 0 ? '' : ` and ${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'}`
  context.note(`${plan.fleet}: following the logs of ${plan.modules.length} modules${others}. ${ends}.`)
  stream.follow(application.logFrom)
  try {
    if (prove !== null) await prove(interrupts.first)
    if (container !== null) return await stayInContainer(context, application, container)
    return await stay(context, application, interrupts.first)
  } finally {
    stream.close()
    interrupts.close()
  }
}

async function stay(
  context: CliContext,
  { follow, first }: Application,
  interrupted: Promise<unknown>,
): Promise<number> {
  for (;;) {
    const how = await follow.until(() => false, null, interrupted)
    if (how === 'interrupted') break
    if (await isGone(context)) {
      context.note('the fleet was taken down.')
      return 0
    }
    await follow.attach(await requireKeeper(context))
    context.note('MARK was replaced by its successor; the fleet runs on.')
  }
  if (!first) {
    follow.keeper.close()
    context.note('detached: the fleet runs on. `mark down` stops it.')
    return 0
  }
  context.note('stopping the fleet; Ctrl-C again ends the grace.')
  await takeDown(context, follow, null)
  context.note('all is down.')
  return 0
}

function endsBy(first: boolean, container: Container | null): string {
  if (container !== null) return 'The container lives by this: SIGTERM stops the fleet'
  return first ? 'Ctrl-C stops the fleet' : 'Ctrl-C detaches, the fleet runs on'
}
