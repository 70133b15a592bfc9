/**
 * The verbs that only read, with their options. The code of a verb is imported when it is used.
 */
import type { Command } from 'commander'
import { LOG_LEVELS } from '../core/log-line.ts'
import { choiceOption, countOption, type Go } from './options.ts'

export function addReadVerbs(program: Command, go: Go): void {
  addStatus(program, go)
  addLogs(program, go)
  addPlanVerbs(program, go)
}

function addStatus(program: Command, go: Go): void {
  program
    .command('status')
    .aliases(['ps', 'ls', 'list'])
    .description('the fleet at a glance; exit 3 if nothing runs')
    .action(() => go(async context => (await import('./commands/status.ts')).status(context)))
  program
    .command('describe')
    .alias('show')
    .description('all about one module')
    .argument('<module>')
    .action((name: string) =>
      go(async context => (await import('./commands/describe.ts')).describe(context, name)),
    )
}

function addLogs(program: Command, go: Go): void {
  interface LogsGiven {
    readonly follow?: boolean
    readonly lines?: number
    readonly since?: string
    readonly level?: string
    readonly grep?: string
    readonly raw?: boolean
  }
  program
    .command('logs')
    .description('what modules wrote, merged by time')
    .argument('[modules...]', 'names, globs or groups (default: all)')
    .option('-f, --follow', 'go on as lines come')
    .option('-n, --lines <count>', 'last lines of each module (default: 100)', countOption)
    .option('--since <time>', 'a span such as 10m, or a time such as 2026-01-31T09:00:00Z')
    .option('--level <level>', 'this level or worse', choiceOption([...LOG_LEVELS, 'warn']))
    .option('--grep <pattern>', 'only lines that match this regular expression')
    .option('--raw', 'bytes as written: no names, no times, nothing made visible')
    .action((modules: string[], given: LogsGiven) =>
      go(async context =>
        (await import('./commands/logs.ts')).logs(context, {
          modules,
          follow: given.follow === true,
          lines: given.lines ?? null,
          since: given.since ?? null,
          level: given.level === 'warn' ? 'warning' : (given.level ?? null),
          grep: given.grep ?? null,
          raw: given.raw === true,
        }),
      ),
    )
  program
    .command('events')
    .description('what happened: starts, exits, holds, kills')
    .option('-f, --follow', 'go on as events come')
    .option('-n, --lines <count>', 'last events (default: 100)', countOption)
    .option('--module <name>', 'only of this module')
    .option('--since <time>', 'a span such as 10m, or a time such as 2026-01-31T09:00:00Z')
    .action((given: { follow?: boolean; lines?: number; module?: string; since?: string }) =>
      go(async context =>
        (await import('./commands/events.ts')).events(context, {
          follow: given.follow === true,
          lines: given.lines ?? null,
          module: given.module ?? null,
          since: given.since ?? null,
        }),
      ),
    )
}

function addPlanVerbs(program: Command, go: Go): void {
  program
    .command('plan')
    .description('what `up` would do, and why')
    .argument('[modules...]', 'only these and what they depend on')
    .action((modules: string[]) =>
      go(async context => (await import('./commands/plan.ts')).plan(context, modules)),
    )
  program
    .command('mode')
    .description('whether real money is at stake')
    .argument('[show]', 'show', choiceOption(['show', 'set']))
    .argument('[mode]')
    .action((what: string | undefined) =>
      go(async context => (await import('./commands/mode.ts')).mode(context, what ?? 'show')),
    )
  program
    .command('doctor')
    .description('what this host can do, and what it cannot')
    .action(() => go(async context => (await import('./commands/doctor.ts')).doctor(context)))
}
