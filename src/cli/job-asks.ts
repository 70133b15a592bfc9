/**
 * Asks the daemon about jobs and gives it orders. Only it knows of them: one that is away is an error that
 * says so, and what it refuses is told in words of the command line.
 */
import { MarkError } from '../core/errors.ts'
import type { JobView } from '../core/jobs/ledger-row.ts'
import { getDaemon, postDaemon } from '../host/daemon-client.ts'
import { lockHolder } from '../host/lock-holder.ts'
import type { CliContext } from './context.ts'
import { noSuchJob } from './no-such-job.ts'

const READ_MS = 3_000
/** An order is answered once it is durable. */
const ORDER_MS = 15_000

export async function readJobs<T>(context: CliContext, path: string): Promise<T> {
  const answer = await getDaemon(context.stateDir().daemonSocket, path, READ_MS)
  return taken(context, answer, 'it is back within seconds: try again.') as T
}

export async function orderJobs<T>(context: CliContext, path: string, order: object): Promise<T> {
  const body = { ...order, by: context.by }
  const answer = await postDaemon(context.stateDir().daemonSocket, path, body, ORDER_MS)
  return taken(context, answer, 'look with `mark jobs` whether it was taken all the same.') as T
}

/** `ask` about the job `name`; if there is none of that name, the error names the nearest. */
export async function ofJob<T>(context: CliContext, name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof MarkError) || error.code !== 'MARK_NO_SUCH_JOB') throw error
    const { jobs } = await readJobs<{ jobs: JobView[] }>(context, '/api/v1/jobs')
    const names = jobs.map(job => job.name)
    throw names.includes(name) ? error : noSuchJob(name, names)
  }
}

export function jobPath(name: string, rest = ''): string {
  return `/api/v1/jobs/${encodeURIComponent(name)}${rest}`
}

export function runPath(runId: string, rest = ''): string {
  return `/api/v1/runs/${encodeURIComponent(runId)}${rest}`
}

export function isUp(context: CliContext): boolean {
  return lockHolder(context.stateDir().keeperLock) !== null
}

function taken(context: CliContext, answer: unknown, hint: string): unknown {
  if (answer === null) throw away(context, hint)
  if (!(answer instanceof MarkError)) return answer
  if (answer.code !== 'MARK_NO_SUCH_RUN') throw answer
  throw new MarkError(answer.code, answer.message, '`mark job history JOB` shows the ids of its runs.')
}

function away(context: CliContext, hint: string): MarkError {
  if (!isUp(context))
    return new MarkError('MARK_NOT_RUNNING', 'This fleet is not up.', 'start it with `mark up`.')
  return new MarkError('MARK_NOT_RUNNING', 'The daemon does not answer, and only it knows of jobs.', hint)
}
