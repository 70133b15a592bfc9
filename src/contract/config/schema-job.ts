/**
 * Shape and defaults of jobs, pools (SPEC 8). What needs more than one value to judge is judged
 * in resolve-jobs.ts.
 */
import { z } from 'zod'
import * as part from './schema-parts.ts'
import { when } from './schema-calendar.ts'
import { processShape, writtenEnvironment } from './schema-module.ts'

const upstream = z.strictObject({
  on: part
    .choice(['success', 'failure', 'any'])
    .default('success')
    .describe('Which outcome of the earlier job starts this one.'),
  delay: part.duration.prefault('0s').describe('Wait after the earlier job ended.'),
})

const exitCode = part.expecting(z.int().min(1).max(255), 'an exit code from 1 to 255')

const retry = z.strictObject({
  limit: part.count.default(0).describe('Further attempts after the first.'),
  delay: part.duration.prefault('10s').describe('Wait before the next attempt.'),
  multiplier: part.factor.default(2).describe('Each further wait is longer by this factor.'),
  max_delay: part.duration.optional().describe('No wait is longer than this.'),
  on_exit: part
    .expecting(
      z.union([z.literal('any'), z.array(exitCode).min(1)]),
      'any, or a list of exit codes such as [1, 75]',
    )
    .default('any')
    .describe('Exit codes after which to try again.'),
})

const missed = z.union([
  z.enum(['none', 'latest', 'all', 'ask']),
  z.strictObject({
    all: z
      .strictObject({
        max: part.positiveCount.optional().describe('At most so many runs to catch up.'),
        window: part.positiveDuration.optional().describe('Only instants younger than this.'),
      })
      .describe('Every instant that passed, within these bounds.'),
  }),
])

const jobShape = {
  ...processShape,
  schedule: part.text.optional().describe('Cron line of 5 fields (6 with `seconds: true`), or @daily.'),
  seconds: part.truth.default(false).describe('The cron line begins with seconds.'),
  every: part.positiveDuration.optional().describe('Runs so often, anchored at the Unix epoch.'),
  at: part.text.optional().describe('Runs once, at this RFC 3339 time.'),
  after: part
    .expecting(
      z.union([part.names, z.record(part.name, upstream)]),
      'a list of jobs, or a map such as { luka: { on: success } }',
    )
    .optional()
    .describe('Runs after these jobs; a list means on success.'),
  join: part
    .choice(['all', 'any', 'none_failed'])
    .default('all')
    .describe('How several earlier jobs combine.'),
  finish_by: part
    .expecting(z.string().min(1), 'a time of day such as "15:25", or "15:25 America/New_York"')
    .optional()
    .describe('Must be done by this time of day, e.g. "15:25 America/New_York".'),
  timezone: part.text.optional().describe("Time zone of the schedule. Default: the fleet's."),
  dst: part
    .choice(['vixie', 'skip', 'shift'])
    .default('vixie')
    .describe('What a clock change does to the schedule.'),
  overlap: part
    .choice(['skip', 'queue', 'cancel_previous', 'kill_previous', 'allow'])
    .default('skip')
    .describe('What to do when the run before is not done.'),
  missed: part
    .expecting(missed, 'none, latest, ask, or all: { max, window }')
    .default('latest')
    .describe('What to do with instants that passed while MARK was away.'),
  deadline: part.positiveDuration.optional().describe('A run later than this after its instant is refused.'),
  timeout: z
    .strictObject({
      attempt: part.positiveDuration.optional().describe('One attempt ends after this long.'),
      run: part.positiveDuration.optional().describe('All attempts together end after this long.'),
    })
    .prefault({})
    .describe('How long it may take.'),
  retry: retry.prefault({}).describe('Further attempts after a failure.'),
  jitter: part.duration.prefault('0s').describe('Starts up to this much later, by chance.'),
  pool: part.text.optional().describe('Runs only while this pool has a free place.'),
  when: when.optional().describe('Days and hours on which it may run.'),
  params: z.record(part.variableName, z.string()).prefault({}).describe('Parameters, and their defaults.'),
  outputs: part.variableNames
    .default([])
    .describe('Names it may print as `MARK_OUTPUT name=value` for later jobs.'),
}

export const jobSchema = part.expecting(z.strictObject(jobShape), 'a map with at least a `command`')
/** As a person may write it, for editors. */
export const writtenJobSchema = jobSchema.extend({ environment: writtenEnvironment })
export type JobInput = z.infer<typeof jobSchema>
export const pools = part
  .expecting(z.record(part.text, part.positiveCount), 'a map such as { exchange: 2 }')
  .describe('How many jobs of a pool may run at once.')
