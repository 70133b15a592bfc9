/**
 * `mark completion SHELL`: a static script for the shell, which asks `mark __complete` for words. Answers
 * from files alone, so that a Tab never waits for a process.
 */
import type { Command } from 'commander'
import type { Plan } from '../../core/plan.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { readLatches } from '../../host/latch.ts'
import type { CliContext } from '../context.ts'
import { loadPlan } from '../load-plan.ts'

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_mark() {
  local IFS=$'\\n'
  COMPREPLY=($(mark __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _mark mark
`,
  zsh: `#compdef mark
_mark() {
  local -a found
  found=("\${(@f)$(mark __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _mark mark
`,
  fish: `complete -c mark -f -a '(mark __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

export async function completion(context: CliContext, shell: string): Promise<number> {
  context.write(SCRIPTS[shell] ?? '')
  return 0
}

const TAKES_MODULES: ReadonlySet<string> = new Set([
  'up',
  'start',
  'stop',
  'restart',
  'reload',
  'hold',
  'unhold',
  'pause',
  'resume',
  'logs',
  'describe',
  'show',
  'kill',
  'plan',
])

/** \`words\`: what was typed after \`mark\`; the last is the one to complete, maybe empty. */
export async function complete(
  context: CliContext,
  program: Command,
  words: readonly string[],
): Promise<number> {
  const typed = words.at(-1) ?? ''
  const before = words.slice(0, -1).filter(word => !word.startsWith('-'))
  const found = candidates(context, program, before, typed)
  if (takesJob(before) && !typed.startsWith('-')) found.push(...(await jobNames(context)))
  for (const word of found) if (word.startsWith(typed)) context.out(word)
  return 0
}

/** `mark run`, `mark logs` and every verb of `mark job` but `show`, before the name is there. */
function takesJob(before: readonly string[]): boolean {
  const [verb, sub] = before
  if (verb === 'logs') return true
  return verb === 'job' ? before.length === 2 && sub !== 'show' : verb === 'run' && before.length === 1
}

function candidates(
  context: CliContext,
  program: Command,
  before: readonly string[],
  typed: string,
): string[] {
  let command = program
  for (const word of before)
    command = command.commands.find(sub => sub.name() === word || sub.aliases().includes(word)) ?? command
  if (typed.startsWith('-')) {
    const options = [...command.options, ...program.options].map(option => option.long ?? option.short ?? '')
    return [...new Set([...options, '--help'])].filter(option => option !== '').sort()
  }
  const subcommands = command
    .createHelp()
    .visibleCommands(command)
    .map(sub => sub.name())
    .filter(name => command === program || name !== 'help')
  const verb = before[0]
  if (verb === undefined) return subcommands
  if (verb === 'kill' && before[1] === 'release') return killIds(context)
  const names = TAKES_MODULES.has(verb) ? moduleNames(context) : []
  return [
    ...(before.length === 1 ? subcommands : []),
    ...names.filter(name => !before.slice(1).includes(name)),
  ]
}

/** Jobs stand in mark.yaml alone. */
async function jobNames(context: CliContext): Promise<string[]> {
  try {
    return (await loadPlan(context)).plan.jobs?.map(job => job.name) ?? []
  } catch {
    return []
  }
}

function moduleNames(context: CliContext): string[] {
  try {
    const plan = peekChecked(context.stateDir().plan).value as Plan | null
    return plan === null ? [] : [...plan.modules.map(spec => spec.name), ...Object.keys(plan.groups)]
  } catch {
    return []
  }
}

function killIds(context: CliContext): string[] {
  try {
    return readLatches(context.stateDir().latchDir).kills.map(kill => kill.id)
  } catch {
    return []
  }
}
