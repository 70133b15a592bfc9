/**
 * The verbs that change something, with their options. The code of a verb is imported when it is used.
 */
import type { Command } from 'commander'
import { choiceOption, durationOption, type Go } from './options.ts'

interface Targeted {
  readonly all?: boolean
  readonly timeout?: number
  readonly wait: boolean
  readonly reason?: string
}

export function addChangeVerbs(program: Command, go: Go): void {
  addUp(program, go)
  addDown(program, go)
  addTargeted(program, go)
  addPausing(program, go)
  addKill(program, go)
}

function addUp(program: Command, go: Go): void {
  interface UpGiven {
    readonly detach?: boolean
    readonly atomic?: boolean
    readonly timeout?: number
    readonly refreshEnv?: boolean
    readonly mode?: string
    readonly autonomy?: string
    readonly strategy?: string
    readonly one?: boolean
  }
  program
    .command('up')
    .description('apply the configuration and start what is not up')
    .argument('[modules...]', 'only these and what they depend on')
    .option('-d, --detach', 'return when each is ready or completed; the fleet runs on')
    .option('--atomic', 'all get ready in time, or what this call started is stopped again')
    .option('--timeout <duration>', 'how long to wait (default: start.deadline, 5m)', durationOption)
    .option('--refresh-env', 'take PATH, HOME, LANG and the like from this shell anew')
    .option('--mode <mode>', 'TEST, REAL or DEBUG')
    .option('--autonomy <autonomy>', 'AUTO, MANUAL or VIRTUAL')
    .option('--strategy <strategy>', 'COWARD, NORMAL, RAGE or FUNKY')
    .option('--one', 'keeper and daemon in one process')
    .action((modules: string[], given: UpGiven) =>
      go(async context =>
        (await import('./commands/up.ts')).up(context, {
          modules,
          detach: given.detach === true,
          atomic: given.atomic === true,
          timeoutMs: given.timeout ?? null,
          refreshEnv: given.refreshEnv === true,
          one: given.one === true,
          flags: {
            ...(given.mode !== undefined && { mode: given.mode }),
            ...(given.autonomy !== undefined && { autonomy: given.autonomy }),
            ...(given.strategy !== undefined && { strategy: given.strategy }),
          },
        }),
      ),
    )
}

function addDown(program: Command, go: Go): void {
  program
    .command('down')
    .description('stop the modules in order, then MARK')
    .option('--timeout <duration>', 'how long to wait (default: until all is gone)', durationOption)
    .action((given: { timeout?: number }) =>
      go(async context => (await import('./commands/down.ts')).down(context, given.timeout ?? null)),
    )
}

const TARGETED = [
  ['start', 'start modules and wait until they are ready'],
  ['stop', 'stop modules; they stay stopped until started'],
  ['restart', 'stop and start modules'],
  ['reload', 'start the next run, and stop the old one once it is ready'],
  ['hold', 'stop modules and refuse to start them until `unhold`'],
  ['unhold', 'let held modules start again'],
] as const

function addTargeted(program: Command, go: Go): void {
  for (const [verb, summary] of TARGETED) {
    program
      .command(verb)
      .description(summary)
      .argument('[modules...]', 'names, globs or groups')
      .option('--all', 'every module')
      .option('--reason <text>', 'why, for the record')
      .option('--timeout <duration>', 'how long to wait (default: 5m)', durationOption)
      .option('--no-wait', 'return when it is accepted')
      .action((modules: string[], given: Targeted) =>
        go(async context =>
          (await import('./commands/targeted.ts')).targeted(context, verb, {
            modules,
            all: given.all === true,
            timeoutMs: given.timeout ?? 300_000,
            wait: given.wait,
            reason: given.reason ?? null,
          }),
        ),
      )
  }
}

const PAUSING = [
  ['pause', 'tell modules to make no new entries, until `resume`'],
  ['resume', 'take back a pause'],
] as const

function addPausing(program: Command, go: Go): void {
  for (const [verb, summary] of PAUSING) {
    program
      .command(verb)
      .description(summary)
      .argument('[modules...]', 'names, globs or groups')
      .option('--all', 'every module')
      .option('--reason <text>', 'why, for the record')
      .action((modules: string[], given: { all?: boolean; reason?: string }) =>
        go(async context =>
          (await import('./commands/pause.ts')).pause(context, verb, {
            modules,
            all: given.all === true,
            reason: given.reason ?? null,
          }),
        ),
      )
  }
}

const LEVELS = ['pause', 'halt', 'flatten'] as const

function addKill(program: Command, go: Go): void {
  const kill = program
    .command('kill')
    .description('trip the kill switch: stop now, start nothing until released')
    .argument('[scope...]', 'a module, group:G or account:A (default: all)')
    .option('--level <level>', 'pause, halt or flatten (default: halt)', choiceOption(LEVELS))
    .option('--reason <text>', 'why, for the record')
    .option('--drill', 'say what it would do, and do nothing')
    .action((scopes: string[], given: { level?: string; reason?: string; drill?: boolean }) =>
      go(async context =>
        (await import('./commands/kill.ts')).kill(context, {
          scopes,
          level: (given.level ?? 'halt') as (typeof LEVELS)[number],
          reason: given.reason ?? null,
          drill: given.drill === true,
        }),
      ),
    )
  kill
    .command('release')
    .description('clear one tripped switch; the modules stay stopped until started')
    .argument('<id>', 'as `mark kill list` shows it')
    .option('--reason <text>', 'why, for the record (needed)')
    .action((id: string, _given: unknown, command: Command) => {
      // `kill` has a --reason too, and takes it wherever it stands.
      const { reason = '' } = command.optsWithGlobals<{ reason?: string }>()
      return go(async context => (await import('./commands/kill-release.ts')).release(context, id, reason))
    })
  kill
    .command('list')
    .description('switches that are tripped now')
    .action(() => go(async context => (await import('./commands/kill-release.ts')).list(context)))
}
