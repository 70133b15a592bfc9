import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterJobs, bookOf, cron, jobPlan, NOON_MS } from '../../../test/simulation/job-plans.ts'
import { aheadText } from './ahead.ts'

const DAY_MS = 86_400_000

test('what was decided far ahead is said, a little and of a job without a clock is not', () => {
  const pulse = jobPlan('pulse', { schedule: cron('* * * * *') })
  assert.equal(
    aheadText(pulse, bookOf([], { pulse: NOON_MS + 365 * DAY_MS }), NOON_MS),
    'runs nothing before 2027-01-01T12:00:00.000Z: the clock was ahead until then; ' +
      '`mark job resume pulse` lets it run again from now on',
  )
  assert.equal(aheadText(pulse, bookOf([], { pulse: NOON_MS + 600_000 }), NOON_MS), null)
  assert.equal(aheadText(pulse, bookOf([]), NOON_MS), null)
  const later = jobPlan('later', afterJobs('pulse'))
  assert.equal(aheadText(later, bookOf([], { later: NOON_MS + DAY_MS }), NOON_MS), null)
})
