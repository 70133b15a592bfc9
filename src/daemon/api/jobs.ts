/**
 * Jobs and runs (SPEC 7 and 8): what the scheduler knows of them, the ledger from the archive, and orders,
 * which go to the scheduler by name. A run that goes on is told by the scheduler, every other by the archive.
 */
import type { Context, Hono } from 'hono'
import type { JobRunsRecord } from '../../contract/api.ts'
import { MarkError } from '../../core/errors.ts'
import { type JobView, type LedgerRow, ledgerRow } from '../../core/jobs/ledger-row.ts'
import { OUTCOMES } from '../../core/outcome-kind.ts'
import type { ApiDeps } from './deps.ts'
import { fleetOf } from './fleet-of.ts'
import { linesOfSpans } from './logs.ts'
import { type Post, whoOf } from './posts.ts'
import { usage } from './problem.ts'
import {
  bodyOf,
  countOf,
  jobNameOf,
  momentField,
  noSuchJob,
  queryOf,
  readCursor,
  runIdOf,
  textField,
  textsField,
  truthField,
  writeCursor,
} from './requests.ts'

export function jobReads(app: Hono, deps: ApiDeps): void {
  app.get('/api/v1/jobs', context => {
    queryOf(context, [])
    fleetOf(deps)
    return context.json({ jobs: deps.jobs.list() })
  })
  app.get('/api/v1/jobs/:job', context => {
    queryOf(context, [])
    return context.json(jobOf(context, deps))
  })
  app.get('/api/v1/jobs/:job/runs', async context => context.json(await runsOf(context, deps)))
  app.get('/api/v1/runs/:run', async context => {
    queryOf(context, [])
    return context.json(await runOf(context, deps))
  })
  app.get('/api/v1/runs/:run/log', async context => {
    const query = queryOf(context, ['n'])
    const count = countOf(query.n, 100, 5000, 'n')
    const { job, attempts } = await runOf(context, deps)
    const spans = await deps.archive.spans(attempts.map(attempt => attempt.run_id))
    return context.json({ lines: linesOfSpans(deps.logs, job, spans, count) })
  })
}

export function jobCommands(post: Post, deps: ApiDeps): void {
  const { jobs } = deps
  post('/api/v1/jobs/:job/run', async context => {
    const body = await orderOf(context, ['params', 'from'])
    const step = textField(body.from, 'from', 63)
    const from = step === null ? null : jobNameOf(step)
    const order = { params: textsField(body.params, 'params'), from, by: whoOf(body) }
    return context.json(await jobs.run(jobOf(context, deps).name, order), 202)
  })
  post('/api/v1/jobs/:job/pause', async context => {
    const body = await orderOf(context, ['note'])
    const note = textField(body.note, 'note', 500)
    return context.json(await jobs.pause(jobOf(context, deps).name, whoOf(body), note), 202)
  })
  post('/api/v1/jobs/:job/resume', async context => {
    const body = await orderOf(context, [])
    return context.json(await jobs.resume(jobOf(context, deps).name, whoOf(body)), 202)
  })
  post('/api/v1/jobs/:job/backfill', async context => {
    const body = await orderOf(context, ['from', 'until'])
    const fromMs = momentField(body.from, 'from')
    const untilMs = momentField(body.until, 'until')
    if (untilMs <= fromMs) throw usage('until must be later than from.')
    const order = { fromMs, untilMs, by: whoOf(body) }
    return context.json({ runs: await jobs.backfill(jobOf(context, deps).name, order) }, 202)
  })
  post('/api/v1/runs/:run/cancel', async context => {
    const body = await orderOf(context, ['kill', 'reason'])
    const kill = truthField(body.kill, 'kill')
    const order = { kill, reason: textField(body.reason, 'reason', 500), by: whoOf(body) }
    return context.json(await jobs.cancel(runIdOf(context.req.param('run') ?? ''), order), 202)
  })
}

async function orderOf(context: Context, keys: readonly string[]): Promise<Record<string, unknown>> {
  queryOf(context, [])
  return await bodyOf(context, [...keys, 'by'])
}

/** Rows of a job that mark.yaml has no more are still there to read. */
async function runsOf(context: Context, deps: ApiDeps): Promise<JobRunsRecord> {
  const query = queryOf(context, ['cursor', 'limit', 'outcome'])
  const job = jobNameOf(context.req.param('job') ?? '')
  const outcome = OUTCOMES.find(known => known === query.outcome) ?? null
  if (query.outcome !== undefined && outcome === null)
    throw usage(`outcome is one of ${OUTCOMES.join(', ')}.`)
  const cursor = readCursor(query.cursor, { before: 'number', run_id: 'string' })
  const { rows, more } = await deps.archive.jobRows({
    job,
    outcome,
    sinceMs: null,
    before: cursor && { plannedMs: cursor.before, runId: cursor.run_id },
    limit: countOf(query.limit, 50, 500, 'limit'),
  })
  const last = rows.at(-1)
  if (!last && outcome === null && deps.jobs.job(job) === null) throw noSuchJob()
  const next = more && last ? writeCursor({ before: last.planned_ms, run_id: last.run_id }) : null
  return { runs: rows.map(ledgerRow), next_cursor: next }
}

async function runOf(context: Context, deps: ApiDeps): Promise<LedgerRow> {
  const id = runIdOf(context.req.param('run') ?? '')
  const open = deps.jobs.open(id)
  if (open) return open
  const row = await deps.archive.jobRow(id)
  if (row) return ledgerRow(row)
  throw new MarkError(
    'MARK_NO_SUCH_RUN',
    'No run of that id is known.',
    'GET /api/v1/jobs/{j}/runs lists those of a job.',
  )
}

function jobOf(context: Context, deps: ApiDeps): JobView {
  const job = deps.jobs.job(jobNameOf(context.req.param('job') ?? ''))
  if (job) return job
  fleetOf(deps)
  throw noSuchJob()
}
