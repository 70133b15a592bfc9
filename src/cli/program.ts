/**
 * The command line as commander sees it: verbs, options, help and usage errors. Each verb's code is
 * imported when it is used. Returns an exit status (SPEC 6), never throws and never ends the process.
 */
import { Command, CommanderError } from 'commander'
import { MarkError } from '../core/errors.ts'
import { type Border, createContext } from './context.ts'
import type { Go } from './options.ts'
import { report, reportError } from './report.ts'
import { addChangeVerbs } from './verbs-change.ts'
import { addJobVerbs } from './verbs-jobs.ts'
import { addReadVerbs } from './verbs-read.ts'
import { addSetupVerbs } from './verbs-setup.ts'
import { visible } from './visible.ts'

const USAGE = 2

export async function runProgram(border: Border): Promise<number> {
  let status = 0
  const program = new Command('mark')
  const go: Go = async verb => {
    status = await verb(createContext(border, globalOptions(program)))
  }
  shape(program, border, go)
  try {
    await program.parseAsync(['node', 'mark', ...border.argv])
    return status
  } catch (error) {
    return reportAny(error, border)
  }
}

function shape(program: Command, border: Border, go: Go): void {
  program
    .description('Keeps a fleet of long-running programs running.')
    .version(border.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [verb]', 'show help for a verb')
    .option('--file <path>', 'mark.yaml to use (default: the nearest one, upwards from here)')
    .option('--state-dir <dir>', 'state directory (default: .mark beside mark.yaml)')
    .option('--json', 'one JSON document, for verbs that read')
    .option('--quiet', 'say nothing but data and errors')
    .option('--no-color', 'no colours')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: text => border.write(text),
      writeErr: text => border.writeErr(text),
      outputError: () => {},
    })
    .exitOverride()
    .showSuggestionAfterError(true)
    .allowExcessArguments(true)
    .action(() => {
      if (program.args[0] !== undefined) unknownVerb(program, program.args[0])
      return go(async context => (await import('./commands/begin.ts')).statusOrBegin(context))
    })
  addChangeVerbs(program, go)
  addReadVerbs(program, go)
  addJobVerbs(program, go)
  addSetupVerbs(program, go)
  for (const command of everyCommand(program)) command.exitOverride()
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

function unknownVerb(program: Command, word: string): never {
  const help = program.createHelp()
  const names = help.visibleCommands(program).flatMap(command => [command.name(), ...command.aliases()])
  throw new UnknownVerb(word, names)
}

class UnknownVerb extends Error {
  readonly word: string
  readonly names: readonly string[]
  constructor(word: string, names: readonly string[]) {
    super(`unknown verb ${word}`)
    this.word = word
    this.names = names
  }
}

function globalOptions(program: Command) {
  const given = program.opts<{
    file?: string
    stateDir?: string
    json?: boolean
    quiet?: boolean
    color: boolean
  }>()
  return {
    file: given.file ?? null,
    stateDir: given.stateDir ?? null,
    json: given.json === true,
    quiet: given.quiet === true,
    noColor: !given.color,
  }
}

async function reportAny(error: unknown, border: Border): Promise<number> {
  if (error instanceof CommanderError) return reportUsage(error, border)
  if (!(error instanceof UnknownVerb)) return report(error, border)
  const { nearest } = await import('../core/nearest.ts')
  const near = nearest(error.word, error.names)
  const hint = near ? `did you mean \`mark ${near}\`?` : '`mark --help` lists what there is.'
  const unknown = new MarkError('MARK_USAGE', `There is no verb \`${visible(error.word)}\`.`, hint)
  return reportError(unknown, border)
}

function reportUsage(error: CommanderError, border: Border): number {
  if (error.exitCode === 0) return 0
  if (error.code === 'commander.help') return USAGE
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = /\((Did you mean .*)\)/.exec(more.join(' '))?.[1]
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.$/, '')}.`
  const hint = suggestion ? suggestion.replace(/^D/, 'd') : '`mark help <verb>` shows what a verb takes.'
  return reportError(new MarkError('MARK_USAGE', visible(sentence), hint), border)
}
