/**
 * The exec trampoline: the argv that sets what a spawn cannot (control groups, umask, ulimits, user) and then
 * becomes the module, under the same pid. A module that asks for none of it is started as it is. No shell
 * ever reads a word of the module's argv as code, and the environment comes through unchanged (where sh is
 * bash it adds SHLVL and _).
 */
import type { ModuleSpec } from './plan.ts'

export interface TrampolineTools {
  readonly sh: string
  /** A shell that hands on variables whose names are no shell names (`my.key`): dash drops them. */
  readonly bash: string | null
  /** null: not installed; see `trampolineLacks`. */
  readonly prlimit: string | null
  readonly setpriv: string | null
}

export interface TrampolineSpec {
  readonly argv: readonly string[]
  readonly user: { readonly uid: number; readonly gid: number } | null
  readonly umask: string | null
  /** Resource limits by prlimit's names, soft and hard alike. */
  readonly ulimits: Readonly<Record<string, number>>
  /** The cgroup.procs files to enter before anything else. */
  readonly join?: readonly string[]
  /** Names of the module's variables. */
  readonly variables?: readonly string[]
  /** Absolute paths, never taken from the module's PATH. */
  readonly tools?: TrampolineTools
}

const BARE: TrampolineTools = { sh: 'sh', bash: null, prlimit: 'prlimit', setpriv: 'setpriv' }
/** Its own words, by which a start that failed in here is told from a module that ended. */
const OWN = 'mark'
const REFUSED = 126
/** Shells set these for themselves and would pass them on. */
const SHELL_VARIABLES = ['PWD', 'OLDPWD', 'SHLVL']
/** Arguments: groups, `--`, umask or `-`, variables to forget, `--`, the program. It uses no variable. */
const SCRIPT = [
  'while [ "$1" != -- ]; do',
  `echo 0 >"$1" || { echo "${OWN}: the run could not join the control group $1" >&2; exit ${REFUSED}; }`,
  'shift; done; shift',
  `[ "$1" = - ] || umask "$1" || exit ${REFUSED}`,
  'shift; while [ "$1" != -- ]; do unset "$1"; shift; done; shift',
  'exec "$@"',
].join('\n')

export function trampoline(spec: TrampolineSpec): readonly string[] {
  const tools = spec.tools ?? BARE
  const { join = [], variables = [] } = spec
  const limits = Object.entries(spec.ulimits).map(([name, value]) => `--${name}=${value}:${value}`)
  const raise = limits.length > 0 ? [tools.prlimit ?? 'prlimit', ...limits, '--'] : []
  const become = spec.user
    ? [
        tools.setpriv ?? 'setpriv',
        `--reuid=${spec.user.uid}`,
        `--regid=${spec.user.gid}`,
        '--init-groups',
        '--no-new-privs',
        '--',
      ]
    : []
  const mask = spec.umask === null || /^0*22$/.test(spec.umask) ? '-' : spec.umask
  const forget = SHELL_VARIABLES.filter(name => !variables.includes(name))
  const enter =
    join.length > 0 || mask !== '-'
      ? [...shell(tools, variables), '-c', SCRIPT, OWN, ...join, '--', mask, ...forget, '--']
      : []
  return [...enter, ...raise, ...become, ...spec.argv]
}

/** Must the start be refused, since a tool that it needs is not installed? One sentence, or null. */
export function trampolineLacks(
  spec: Pick<TrampolineSpec, 'user' | 'ulimits'>,
  tools: TrampolineTools,
): string | null {
  const lacks = (what: string, tool: string): string =>
    `${what} needs ${tool} of util-linux, which is not here`
  if (spec.user !== null && tools.setpriv === null) return lacks('user', 'setpriv')
  return Object.keys(spec.ulimits).length > 0 && tools.prlimit === null ? lacks('ulimits', 'prlimit') : null
}

/**
 * Did a run that went through the trampoline end in it, before it was the module? Then why, for a person.
 * Told by the exit code and the last line of the run's log; a module that imitates both misnames only itself.
 */
export function startRefusal(code: number | null, lastLine: string): string | null {
  if (code !== 1 && code !== REFUSED && code !== 127) return null
  const match = /^(mark|prlimit|setpriv): (?:(?:line )?\d+: )?(.+)$/.exec(lastLine.trim())
  if (!match || (match[1] === OWN && code === 1)) return null
  return match[1] === OWN ? (match[2] as string) : `${match[1]}: ${match[2]}`
}

function shell(tools: TrampolineTools, variables: readonly string[]): string[] {
  const odd = variables.some(name => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
  // -p: no start file and no function out of the environment.
  return odd && tools.bash !== null ? [tools.bash, '-p'] : [tools.sh]
}

/** Must a start of this go through it? `withLimits`: of a run itself, not of its hooks. */
export function needsTrampoline(
  spec: Pick<ModuleSpec, 'user' | 'umask' | 'ulimits' | 'limits'>,
  withLimits: boolean,
): boolean {
  const { memoryBytes, cpus, pids } = spec.limits
  const limited = withLimits && (memoryBytes !== null || cpus !== null || pids !== null)
  return limited || spec.user !== null || spec.umask !== null || Object.keys(spec.ulimits).length > 0
}
