/**
 * `mark init`: writes a first, commented mark.yaml from what lies in the directory, or for one command, and
 * says what to type next. Never overwrites anything; writes nothing but mark.yaml.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MarkError } from '../../core/errors.ts'
import { configFiles } from '../../host/config-files.ts'
import type { CliContext } from '../context.ts'
import { type Found, findPrograms, foundFromCommand } from '../found-programs.ts'
import { visible } from '../visible.ts'

export interface InitOptions {
  /** What stood after `--`; empty: look around. */
  readonly command: readonly string[]
}

export async function runInit(context: CliContext, options: InitOptions): Promise<number> {
  const file = join(context.cwd, 'mark.yaml')
  if (existsSync(file)) {
    throw new MarkError(
      'MARK_REFUSED',
      `${file} exists already and is left as it is.`,
      'try `mark check`, or remove it first.',
    )
  }
  const found = options.command.length > 0 ? foundFromCommand(options.command) : findPrograms(context.cwd)
  const schema = fileURLToPath(new URL('../../../schema/mark.schema.json', import.meta.url))
  const text = formatMarkYaml(basename(context.cwd), found, existsSync(schema) ? schema : null)
  try {
    // Group-writable files are refused by `mark up`, whatever the umask is.
    writeFileSync(file, text, { flag: 'wx', mode: 0o644 })
  } catch (error) {
    throw new MarkError(
      'MARK_FAILED',
      `${file} cannot be written (${(error as { code?: string }).code ?? 'unknown'}).`,
    )
  }
  context.out(`wrote ${visible(file)}: ${found.modules.map(module => module.name).join(', ')}`)
  for (const remark of found.remarks) context.note(visible(remark))
  const unsafe = configFiles(context.uid).safe(file)
  if (unsafe !== null) context.note(`warning: ${visible(unsafe)} \`mark up\` will refuse it.`)
  context.note('next: look through it, then `mark check`, then `mark up`')
  return 0
}

/** The text of a first mark.yaml. `schema`: path for editors, or null. Comments show what else there is. */
export function formatMarkYaml(directory: string, found: Found, schema: string | null): string {
  const lines = [
    `# yaml-language-server: $schema=${schema ?? 'mark.schema.json'}`,
    '# Checked by `mark check`, started by `mark up`, explained by `mark config explain KEY`.',
  ]
  if (fleetName(directory) === null) lines.push('name: fleet')
  for (const { variable, line } of WORDS) {
    // Two places that say different things are refused, so what .env says stays there.
    lines.push(found.envNames.includes(variable) ? `# ${line} (.env says it: ${variable})` : line)
  }
  lines.push(
    '',
    found.envNames.length > 0
      ? '# .env is for all modules; *KEY* *SECRET* *TOKEN* *PASS* in it reach only modules that list them:'
      : '# Secrets are named here and reach only the modules that list them:',
    '# secrets: { EXCHANGE_API_KEY: { env: EXCHANGE_API_KEY, modes: [REAL] } }',
    '',
    'modules:',
  )
  for (const [index, module] of found.modules.entries()) {
    lines.push(`  ${module.name}:`)
    if (module.remark !== null) lines.push(`    # ${module.remark}`)
    lines.push(`    command: ${flowList(module.command)}`)
    if (module.virtualenv !== null) lines.push(`    virtualenv: ${flowWord(module.virtualenv)}`)
    if (module.pythonPath !== null)
      lines.push(`    environment: { PYTHONPATH: ${flowWord(module.pythonPath)} }`)
    if (index === 0) lines.push(...MORE)
  }
  for (const line of found.comments) lines.push(`  # ${line}`)
  return `${lines.join('\n')}\n`
}

const WORDS = [
  { variable: 'MODE', line: 'mode: TEST            # TEST | REAL | DEBUG' },
  { variable: 'AUTONOMY', line: 'autonomy: VIRTUAL     # AUTO | MANUAL | VIRTUAL (backtest and paper)' },
  { variable: 'STRATEGY', line: 'strategy: NORMAL      # COWARD | NORMAL | RAGE | FUNKY' },
]

const MORE = [
  '    # secrets: [EXCHANGE_API_KEY]',
  '    # depends_on: { other: { condition: ready } }         # started | ready | completed',
  '    # ready:  { http: "http://127.0.0.1:8080/ping" }  # notify http tcp exec log delay; default delay: 1s',
  '    # health: { http: "http://127.0.0.1:8080/ping", interval: 10s, timeout: 2s, failures: 3 }',
  '    # restart: { policy: always, delay: 3s, multiplier: 2, max_delay: 5m, budget: [5/10m, 20/1d] }',
  '    # stop: { signal: SIGTERM, grace: 30s }',
  '    # limits: { memory: 512M }',
]

function fleetName(directory: string): string | null {
  return /[a-z]/i.test(directory) ? directory : null
}

export function flowList(words: readonly string[]): string {
  return `[${words.map(flowWord).join(', ')}]`
}

/** A word as YAML inside brackets reads it back unchanged. `$` before a brace is MARK's own. */
function flowWord(word: string): string {
  const literal = word.replaceAll('${', () => '$${')
  const plain = /^[A-Za-z_./][\w./@%+=-]*$/.test(literal) || /^-{1,2}[A-Za-z][\w./@%+=-]*$/.test(literal)
  const reserved = /^(true|false|null|~|\.inf|\.nan|yes|no|on|off)$/i.test(literal)
  return plain && !reserved ? literal : JSON.stringify(literal)
}
