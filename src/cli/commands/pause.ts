/**
 * `mark pause` and `mark resume M...`: no new entries from now on, and as before. Only the daemon knows who
 * can hear it, so it must answer. To stop is cheap: who can hear is paused, whoever else cannot.
 */
import { MarkError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { knownIn, resolveTargets } from '../../core/targets.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { postDaemon } from '../../host/daemon-client.ts'
import type { CliContext } from '../context.ts'
import { visibleCell } from '../visible.ts'

export interface PauseOptions {
  readonly modules: readonly string[]
  readonly all: boolean
  readonly reason: string | null
}

type Verb = 'pause' | 'resume'

const DAEMON_MS = 2_000

export async function pause(context: CliContext, verb: Verb, options: PauseOptions): Promise<number> {
  if (options.modules.length === 0 && !options.all) {
    throw new MarkError(
      'MARK_USAGE',
      `\`mark ${verb}\` needs to know which modules.`,
      `name them, or say \`mark ${verb} --all\`.`,
    )
  }
  const state = context.stateDir()
  const plan = peekChecked(state.plan).value as Plan | null
  if (plan === null)
    throw new MarkError('MARK_NOT_RUNNING', 'This fleet is not up.', 'start it with `mark up`.')
  const modules = options.all ? knownIn(plan).modules : resolveTargets(options.modules, knownIn(plan))
  const refused: MarkError[] = []
  for (const module of modules) {
    const answer = await postDaemon(
      state.daemonSocket,
      `/api/v1/modules/${module}/${verb}`,
      { by: context.by, ...(options.reason === null ? {} : { reason: options.reason }) },
      DAEMON_MS,
    )
    if (answer === null) throw away(verb, module)
    if (answer instanceof MarkError) refused.push(answer)
    else context.note(lineOf(verb, module, answer))
  }
  const [first, ...others] = refused
  if (first === undefined) return 0
  if (others.length === 0 || first.code !== 'MARK_REFUSED') throw first
  throw new MarkError(first.code, refused.map(error => visibleCell(error.message)).join(' '), first.hint)
}

function lineOf(verb: Verb, module: string, answer: unknown): string {
  if (verb === 'pause') return `${module} is told to pause; \`mark resume ${module}\` ends it`
  const { resumed, halt } = answer as { resumed?: boolean; halt?: string | null }
  if (halt) return `${module} stays under ${visibleCell(halt)}: \`mark kill list\``
  return resumed ? `${module} is told to resume` : `${module} was not paused`
}

function away(verb: Verb, module: string): MarkError {
  const hint = verb === 'pause' ? `to pause it all the same: mark kill ${module} --level pause` : null
  return new MarkError(
    'MARK_NOT_RUNNING',
    'The daemon does not answer, and only it knows who hears.',
    hint ?? 'it is back within seconds: try again.',
  )
}
