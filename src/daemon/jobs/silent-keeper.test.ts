import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Ask } from '../../contract/keeper.ts'
import { MarkError } from '../../core/errors.ts'
import { JobBook } from '../../core/jobs/job-book.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import { isOpen, type JobRow } from '../../core/jobs/job-row.ts'
import { rowOf } from '../../core/jobs/scheduling.ts'
import type { Plan } from '../../core/plan.ts'
import { JobScheduler } from './scheduler.ts'

const JOB = {
  name: 'short',
  schedule: { kind: 'none' },
  timezone: 'UTC',
  start: { argv: ['true'], environment: {} },
  overlap: 'skip',
  deadlineMs: null,
  timeout: { attemptMs: null, runMs: null },
  retry: { limit: 0, delayMs: 0, multiplier: 1, maxDelayMs: null, onExit: 'any' },
  pool: null,
  when: null,
  after: null,
  params: {},
  outputs: [],
} as unknown as JobPlan
const NOW = { wallMs: 1000, monoMs: 1000 }

test('a run that ended well while the keeper was too busy to say so is no failure', async () => {
  const kept = new JobBook()
  const told: JobRow[] = []
  const answer = (): unknown => {
    const rows = kept.takeTold()
    told.push(...rows)
    return { rows, jobs: Object.fromEntries(kept.jobs) }
  }
  let id = 0
  const scheduler = new JobScheduler({
    clock: { now: () => NOW, chance: () => 0 } as never,
    mintId: () => `A${id++}`,
    killed: () => null,
    closed: () => null,
    outputsOf: async () => ({}),
    used: () => ({ cpu_s: null, memory_bytes: null }),
    say: () => {},
    alert: () => {},
    async ask(ask: Ask) {
      if (ask.ask === 'job_book')
        return { rows: [...kept.rows.values()], jobs: Object.fromEntries(kept.jobs) }
      if (ask.ask === 'jobs') {
        for (const op of ask.ops) kept.apply(op, NOW)
        return answer()
      }
      if (ask.ask !== 'job_start') throw new Error(`unexpected ${ask.ask}`)
      const [start] = ask.starts
      assert.ok(start)
      kept.begin(start.run_id, start.attempt_id, start.attempt, NOW)
      kept.ended(start.attempt_id, { exit: { known: true, code: 0 } as never, stop: null, reason: '' }, 1001)
      throw new MarkError('MARK_KEEPER_SILENT', 'The keeper did not answer within 10 s.')
    },
  })
  const wish = { trigger: 'hand', by: 'ada', nominal: null, dueMs: 0, params: {}, upstream: {} } as const
  const row = rowOf(JOB, wish, { nowMs: 1000, mintId: () => 'R1' }, null)
  kept.apply({ op: 'row', row }, NOW)
  scheduler.up({ jobs: [JOB], pools: {} } as unknown as Plan)
  for (let turns = 0; turns < 10_000 && !told.some(row => !isOpen(row)); turns++) await turn()
  scheduler.down()
  assert.equal(told.find(row => !isOpen(row))?.outcome, 'succeeded')
})
