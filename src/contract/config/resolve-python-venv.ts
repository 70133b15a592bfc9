/**
 * The preset `python-venv`: what a run.sh that keeps a Python bot alive makes sure of, said before anything
 * starts. A virtualenv that is whole, an entry to run, src on PYTHONPATH where there is one.
 */
import { basename, join } from 'node:path'
import type { Path } from './located.ts'
import type { Surroundings } from './presets.ts'
import { commandAt } from './resolve-command.ts'
import type { ModuleInput } from './schema-module.ts'
import { problemAt, problemAtKey, type Scope } from './scope.ts'

export function pythonVenv(scope: Scope, at: Path, input: ModuleInput, around: Surroundings): ModuleInput {
  const { workingDir, virtualenv } = around
  if (virtualenv === null) {
    const found = ['env', '.venv', 'venv'].find(name => isVirtualenv(scope, join(workingDir, name)))
    const hint = found ? `write \`virtualenv: ${found}\`` : 'python3 -m venv env, then `virtualenv: env`'
    problemAtKey(scope, at, '`virtualenv` is missing: the preset python-venv runs in one', hint)
  } else if (scope.files.stat(virtualenv) !== null && !isVirtualenv(scope, virtualenv)) {
    const message = `${virtualenv} is not a whole virtualenv: it needs bin/python and bin/activate`
    problemAt(scope, [...at, 'virtualenv'], message, `create it anew: python3 -m venv --clear ${virtualenv}`)
  }
  requireEntry(scope, at, input, workingDir)
  const src = join(workingDir, 'src')
  const known = input.environment.PYTHONPATH ?? around.variables.PYTHONPATH
  if (known !== undefined || !scope.files.stat(src)?.isDirectory) return input
  return { ...input, environment: { ...input.environment, PYTHONPATH: src } }
}

function isVirtualenv(scope: Scope, path: string): boolean {
  return ['python', 'activate'].every(name => scope.files.stat(join(path, 'bin', name))?.isFile)
}

const FLAG = /^-(?!c|m)[A-Za-z]+$/

/** Python without an entry reads its standard input, finds nothing and ends with 0. */
function requireEntry(scope: Scope, at: Path, input: ModuleInput, workingDir: string): void {
  if (input.command === undefined) return
  const [program = '', ...words] = commandAt(scope, at, input, workingDir)
  if (!/^python[\d.]*$/.test(basename(program))) return
  const left = words.filter(word => !FLAG.test(word))
  if (left.length > 1 || (left.length === 1 && !/^-[cm]?$/.test(left[0] as string))) return
  const message = 'it names no entry: Python would read its empty input and end'
  problemAt(scope, [...at, 'command'], message, 'name a module or a file: [python3, -m, bot.main]')
}
