/**
 * The verbs about jobs, with their options. The code of a verb is imported when it is used.
 */
import { type Command, InvalidArgumentError } from 'commander'
import { OUTCOMES } from '../core/outcome-kind.ts'
import { choiceOption, countOption, type Go, momentOption } from './options.ts'

export function addJobVerbs(program: Command, go: Go): void {
  addJobs(program, go)
  const job = program.command('job').description('one job: its instants, its runs, and orders for it')
  addNext(job, go)
  addHistory(job, go)
  addPausing(job, go)
  addCancel(job, go)
  addBackfill(job, go)
}

function addJobs(program: Command, go: Go): void {
  interface RunGiven {
    readonly param: Record<string, string>
    readonly from?: string
    readonly wait?: boolean
  }
  program
    .command('jobs')
    .description('jobs at a glance: state, next instant, last run')
    .action(() => go(async context => (await import('./commands/jobs.ts')).jobs(context)))
  program
    .command('run')
    .description('run a job now')
    .argument('<job>')
    .option('--param <name=value>', 'a parameter for this run; may be given several times', paramOption, {})
    .option('--from <step>', 'begin its chain at this job')
    .option('--wait', 'until it ends; exit 1 if it did not succeed')
    .action((name: string, given: RunGiven) =>
      go(async context =>
        (await import('./commands/run.ts')).run(context, name, {
          params: given.param,
          from: given.from ?? null,
          wait: given.wait === true,
        }),
      ),
    )
}

function paramOption(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

function addNext(job: Command, go: Go): void {
  job
    .command('next')
    .description('when a job is due next, and what a clock change does to it')
    .argument('<job>')
    .option('-n, --count <count>', 'so many (default: 10)', countOption)
    .option(
      '--from <time>',
      'after this time, such as 2026-03-28T12:00:00+01:00 (default: now)',
      momentOption,
    )
    .option('--around-dst', 'around the next two clock changes instead')
    .action((name: string, given: { count?: number; from?: number; aroundDst?: boolean }) =>
      go(async context =>
        (await import('./commands/job-next.ts')).jobNext(context, name, {
          count: given.count ?? 10,
          fromMs: given.from ?? Date.now(),
          aroundDst: given.aroundDst === true,
        }),
      ),
    )
}

function addHistory(job: Command, go: Go): void {
  job
    .command('history')
    .description('what became of its runs and instants, newest first')
    .argument('<job>')
    .option('-n, --limit <count>', 'so many (default: 20)', countOption)
    .option('--outcome <outcome>', 'only those that ended so', choiceOption(OUTCOMES))
    .action((name: string, given: { limit?: number; outcome?: string }) =>
      go(async context =>
        (await import('./commands/job-history.ts')).jobHistory(context, name, {
          limit: given.limit ?? 20,
          outcome: given.outcome ?? null,
        }),
      ),
    )
  job
    .command('show')
    .description('all about one run: attempts, outputs, last lines')
    .argument('<run>', 'its id, as `mark job history` shows it')
    .action((runId: string) =>
      go(async context => (await import('./commands/job-show.ts')).jobShow(context, runId)),
    )
}

function addPausing(job: Command, go: Go): void {
  job
    .command('pause')
    .description('run it only by hand until `mark job resume`')
    .argument('<job>')
    .option('--note <text>', 'why, for the record')
    .action((name: string, { note }: { note?: string }) =>
      go(async context => (await import('./commands/job-orders.ts')).pauseJob(context, name, note ?? null)),
    )
  job
    .command('resume')
    .description('take back a pause')
    .argument('<job>')
    .action((name: string) =>
      go(async context => (await import('./commands/job-orders.ts')).resumeJob(context, name)),
    )
}

function addCancel(job: Command, go: Go): void {
  job
    .command('cancel')
    .description('end a run that goes on or waits')
    .argument('<run>', 'its id, or a job: all its runs')
    .option('--kill', 'without grace')
    .option('--reason <text>', 'why, for the record')
    .action((word: string, given: { kill?: boolean; reason?: string }) =>
      go(async context =>
        (await import('./commands/job-orders.ts')).cancelJob(context, word, {
          kill: given.kill === true,
          reason: given.reason ?? null,
        }),
      ),
    )
}

function addBackfill(job: Command, go: Go): void {
  job
    .command('backfill')
    .description('run its instants of a time that is over, one after the other')
    .argument('<job>')
    .requiredOption('--from <time>', 'from this time on, such as 2026-03-28T12:00:00+01:00', momentOption)
    .requiredOption('--until <time>', 'before this time', momentOption)
    .action((name: string, { from, until }: { from: number; until: number }) =>
      go(async context =>
        (await import('./commands/job-orders.ts')).backfillJob(context, name, {
          fromMs: from,
          untilMs: until,
        }),
      ),
    )
}
