/**
 * The verbs around a fleet's life: writing and checking mark.yaml, installing the unit, shell completion;
 * and those of the contract that this version does not have, which say so.
 */
import type { Command } from 'commander'
import { MarkError } from '../core/errors.ts'
import { choiceOption, durationOption, type Go } from './options.ts'

export function addSetupVerbs(program: Command, go: Go): void {
  addConfigVerbs(program, go)
  addInstall(program, go)
  addUpgrade(program, go)
  addCompletion(program, go)
  addMissing(program)
}

function addConfigVerbs(program: Command, go: Go): void {
  program
    .command('init')
    .description('write a commented mark.yaml from what is here')
    .argument('[command...]', 'after --: make a fleet of this one command')
    .action((command: string[]) =>
      go(async context => (await import('./commands/init.ts')).runInit(context, { command })),
    )
  program
    .command('check')
    .description('prove the configuration, and that all it needs is here')
    .action(() =>
      go(async context =>
        (await import('./commands/check.ts')).runCheck(context, { json: context.options.json }),
      ),
    )
  program
    .command('config')
    .description('explain a key of mark.yaml')
    .command('explain')
    .argument('<key>', 'such as modules.vida.restart.delay')
    .action((key: string) =>
      go(async context => (await import('./commands/config-explain.ts')).runConfigExplain(context, { key })),
    )
}

function addInstall(program: Command, go: Go): void {
  interface Given {
    readonly user?: boolean
    readonly system?: boolean
    readonly print?: boolean
  }
  const scope = (given: Given): 'user' | 'system' | null => {
    if (given.user && given.system) throw new MarkError('MARK_USAGE', 'Give --user or --system, not both.')
    return given.system ? 'system' : given.user ? 'user' : null
  }
  program
    .command('install')
    .description('let systemd start this fleet at boot and keep MARK itself running')
    .option('--user', 'a unit of this user (default when not root)')
    .option('--system', 'a unit of the system (default for root)')
    .option('--print', 'print the unit, change nothing')
    .action((given: Given) =>
      go(async context =>
        (await import('./commands/install.ts')).install(context, scope(given), given.print === true),
      ),
    )
  program
    .command('uninstall')
    .description('remove the unit; the fleet runs on')
    .option('--user', 'the unit of this user')
    .option('--system', 'the unit of the system')
    .action((given: Given) =>
      go(async context => (await import('./commands/install.ts')).uninstall(context, scope(given))),
    )
}

function addUpgrade(program: Command, go: Go): void {
  interface Given {
    readonly check?: boolean
    readonly force?: boolean
    readonly timeout?: number
  }
  program
    .command('upgrade')
    .description('make this version keep the fleet, in place: no module notices')
    .option('--check', 'prove that it could, change nothing')
    .option('--force', 'also when the keeper is of this version already')
    .option('--timeout <duration>', 'how long to wait (default: 1m)', durationOption)
    .action(({ check, force, timeout }: Given) =>
      go(async context =>
        (await import('./commands/upgrade.ts')).upgrade(context, {
          check: check === true,
          force: force === true,
          timeoutMs: timeout ?? 60_000,
        }),
      ),
    )
}

function addCompletion(program: Command, go: Go): void {
  program
    .command('completion')
    .description('print a completion script for your shell')
    .argument('<shell>', 'bash, zsh or fish', choiceOption(['bash', 'zsh', 'fish']))
    .action((shell: string) =>
      go(async context => (await import('./commands/completion.ts')).completion(context, shell)),
    )
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action((words: string[]) =>
      go(async context => (await import('./commands/completion.ts')).complete(context, program, words)),
    )
}

const MISSING = [
  'reconcile',
  'approve',
  'uptime',
  'report',
  'audit',
  'notify',
  'top',
  'import',
  'deploy',
  'token',
]

function addMissing(program: Command): void {
  for (const verb of MISSING) sayMissing(program, verb)
}

function sayMissing(program: Command, verb: string): void {
  program
    .command(verb, { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(() => {
      const hint = '`mark --help` lists what is.'
      throw new MarkError('MARK_UNSUPPORTED', `\`mark ${verb}\` is not in this version of MARK.`, hint)
    })
}
