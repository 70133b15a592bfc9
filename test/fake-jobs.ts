/** Jobs without a scheduler: what was ordered is written down, and the test says what is known. */
import { jobRow } from './simulation/job-plans.ts'
import type { JobRowPage, JobRowQuery, RunSpan } from '../src/contract/api.ts'
import { MarkError } from '../src/core/errors.ts'
import { isOpen, type JobRow } from '../src/core/jobs/job-row.ts'
import { type JobView, type LedgerRow, ledgerRow } from '../src/core/jobs/ledger-row.ts'
import { formatUtc } from '../src/core/time.ts'
import type { JobsApi } from '../src/daemon/api/deps.ts'

export const FAKE_NOW = Date.UTC(2026, 2, 28, 12)

export function fakeRow(runId: string, more: Partial<JobRow> = {}): JobRow {
  const times = { planned_ms: FAKE_NOW, due_ms: FAKE_NOW }
  return jobRow('night', { run_id: runId, rev: 1, ...times, trigger: 'hand', by: 'tester', ...more })
}

export function fakeView(name: string, more: Partial<JobView> = {}): JobView {
  return {
    name,
    state: 'idle',
    last: null,
    next_at: null,
    next_local: null,
    schedule: 'by hand',
    timezone: 'Europe/Berlin',
    begin_by: null,
    paused: null,
    runs: [],
    ...more,
  }
}

/** Run ids as MARK makes them: 26 characters. */
export const fakeId = (word: string): string => `01${word.padEnd(24, '0')}`

export class FakeJobs implements JobsApi {
  readonly views: JobView[] = []
  /** The ledger; what is open in it the scheduler knows too. */
  readonly rows: JobRow[] = []
  readonly spans: RunSpan[] = []
  readonly orders: unknown[] = []
  /** What becomes of the next run by hand. */
  next: Partial<JobRow> = {}
  /** Told of each run by hand. */
  ran: (row: JobRow) => void = () => {}

  readonly list = (): readonly JobView[] => this.views
  readonly job = (name: string): JobView | null => this.views.find(view => view.name === name) ?? null
  readonly open = (runId: string): LedgerRow | null => {
    const row = this.rows.find(one => one.run_id === runId && isOpen(one))
    return row ? ledgerRow(row) : null
  }

  readonly run: JobsApi['run'] = async (job, { params, from, by }) => {
    this.orders.push({ run: job, params, from, by })
    const row = fakeRow(fakeId(`R${this.rows.length}`), { job, params, by, ...this.next })
    this.rows.unshift(row)
    this.ran(row)
    return ledgerRow(row)
  }

  readonly cancel: JobsApi['cancel'] = async (runId, order) => {
    this.orders.push({ cancel: runId, ...order })
    const open = this.open(runId)
    if (!open) throw new MarkError('MARK_NO_SUCH_RUN', 'This run is over, or never was.')
    return open
  }

  readonly pause: JobsApi['pause'] = async (job, by, note) => {
    this.orders.push({ pause: job, by, note })
    return fakeView(job, { state: 'paused', paused: { by, note, at: formatUtc(FAKE_NOW) } })
  }

  readonly resume: JobsApi['resume'] = async (job, by) => {
    this.orders.push({ resume: job, by })
    return fakeView(job)
  }

  readonly backfill: JobsApi['backfill'] = async (job, order) => {
    this.orders.push({ backfill: job, ...order })
    return [1, 2].map(number =>
      ledgerRow(fakeRow(fakeId(`F${number}`), { job, trigger: 'backfill', planned_ms: order.fromMs })),
    )
  }

  /** What the archive answers: newest first, in the order of `rows`. */
  readonly page = async ({ job, outcome, before, limit }: JobRowQuery): Promise<JobRowPage> => {
    const fits = this.rows.filter(
      row => (job === null || row.job === job) && (outcome === null || row.outcome === outcome),
    )
    const from = before === null ? 0 : fits.findIndex(row => row.run_id === before.runId) + 1
    return { rows: fits.slice(from, from + limit), more: fits.length > from + limit }
  }
}
