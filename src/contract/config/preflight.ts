/**
 * Whether what the plan names is there: programs, directories, virtualenvs. Reads the file system only
 * through ConfigFiles, runs nothing. Its problems are errors: a start must be provable before anything is
 * touched.
 */
import { join, resolve } from 'node:path'
import { combine, DEFAULT_PATH } from './environment.ts'
import type { ConfigFiles } from './files.ts'
import { formatPath, type Path, placeAt } from './located.ts'
import type { Resolved } from './resolve-process.ts'
import type { Scope } from './scope.ts'

export function preflight(scope: Scope, all: readonly Resolved[]): void {
  for (const resolved of all) preflightOne(scope, resolved)
}

function preflightOne(scope: Scope, { at, spec, virtualenv, envFiles }: Resolved): void {
  const { files } = scope
  if (!files.stat(spec.workingDir)?.isDirectory) {
    missing(
      scope,
      [...at, 'working_dir'],
      `the directory ${spec.workingDir} does not exist`,
      'create it, or correct `working_dir`',
    )
  }
  if (virtualenv !== null) checkVirtualenv(scope, [...at, 'virtualenv'], virtualenv)
  const searched =
    spec.environment.PATH ?? combine(envFiles).PATH ?? scope.baseEnvironment.PATH ?? DEFAULT_PATH
  const commands: [Path, readonly string[] | null][] = [
    [[...at, 'command'], spec.argv],
    [[...at, 'stop', 'before'], spec.stop.before],
    [[...at, 'stop', 'verify'], spec.stop.verify],
    [[...at, 'recover', 'command'], spec.recover?.argv ?? null],
    [[...at, 'ready', 'exec'], spec.ready.kind === 'exec' ? spec.ready.argv : null],
    [[...at, 'health', 'exec'], spec.health?.probe.kind === 'exec' ? spec.health.probe.argv : null],
  ]
  for (const [path, argv] of commands) {
    const program = argv?.[0]
    if (program) checkProgram(scope, path, program, searched, spec.workingDir)
  }
}

function checkVirtualenv(scope: Scope, path: Path, virtualenv: string): void {
  const { files } = scope
  if (
    files.stat(join(virtualenv, 'bin', 'python'))?.isFile ||
    files.stat(join(virtualenv, 'bin', 'activate'))?.isFile
  )
    return
  const there = files.stat(virtualenv) !== null
  const message = there
    ? `${virtualenv} is not a virtualenv: it has no bin/python`
    : `the virtualenv ${virtualenv} does not exist`
  missing(scope, path, message, `create it: python3 -m venv ${virtualenv}`)
}

function checkProgram(scope: Scope, path: Path, program: string, searched: string, workingDir: string): void {
  const { files } = scope
  if (program.includes('/')) {
    const stat = files.stat(program)
    if (stat === null)
      missing(scope, path, `${program} does not exist`, 'a path is relative to the file that names it')
    else if (!stat.isFile) missing(scope, path, `${program} is not a file`, null)
    else if (!isProgram(files, program))
      missing(
        scope,
        path,
        `${program} is not executable`,
        `chmod +x ${program}, or put its interpreter first`,
      )
    return
  }
  const directories = searched.split(':').map(directory => resolve(workingDir, directory))
  if (directories.some(directory => isProgram(files, join(directory, program)))) return
  const local = files.stat(join(workingDir, program))?.isFile
  const hint = local ? `write ./${program} if you mean the file beside it` : `searched: ${searched}`
  missing(scope, path, `the program \`${program}\` is not found on its PATH`, hint)
}

function isProgram(files: ConfigFiles, path: string): boolean {
  const stat = files.stat(path)
  return stat?.isFile === true && (stat.mode & 0o111) !== 0
}

function missing(scope: Scope, path: Path, message: string, hint: string | null): void {
  scope.report.error({
    at: placeAt(scope.tree, path),
    path: formatPath(path),
    message,
    hint,
    code: 'MARK_PREFLIGHT',
  })
}
