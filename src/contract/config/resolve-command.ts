/**
 * Commands to argument vectors. A first word with a slash is a path, relative to the file that names it
 * (and, if nothing is there, to the directory the module runs in); any other is looked up on the module's
 * PATH.
 */
import { resolve } from 'node:path'
import type { Path } from './located.ts'
import type { ProcessInput } from './schema-module.ts'
import { directoryOf, problemAt, problemAtKey, type Scope } from './scope.ts'
import { splitWords } from './words.ts'

export function commandAt(
  scope: Scope,
  module: Path,
  input: ProcessInput,
  workingDir: string,
): readonly string[] {
  const path = [...module, 'command']
  const { command, shell } = input
  if (command === undefined) {
    problemAtKey(scope, module, '`command` is missing', 'say what to run: `command: [python3, -m, vida]`')
    return []
  }
  if (!shell) return argvAt(scope, path, command, workingDir)
  if (typeof command !== 'string') {
    problemAt(
      scope,
      path,
      'with `shell: true` the command is one line, not a list',
      'write it as text, or remove `shell`',
    )
    return []
  }
  return ['/bin/sh', '-c', command]
}

export function argvAt(
  scope: Scope,
  path: Path,
  command: string | readonly string[],
  workingDir: string,
): readonly string[] {
  const words = wordsAt(scope, path, command)
  if (words === null) return []
  const [program, ...rest] = words
  if (program === undefined || program === '') {
    problemAt(scope, path, 'it names no program', 'say what to run: [python3, -m, vida]')
    return words
  }
  return program.includes('/') ? [locate(scope, path, program, workingDir), ...rest] : words
}

function locate(scope: Scope, path: Path, program: string, workingDir: string): string {
  const besideFile = resolve(directoryOf(scope, path), program)
  const inDirectory = resolve(workingDir, program)
  if (besideFile === inDirectory || scope.files.stat(besideFile) !== null) return besideFile
  return scope.files.stat(inDirectory) === null ? besideFile : inDirectory
}

function wordsAt(scope: Scope, path: Path, command: string | readonly string[]): readonly string[] | null {
  if (typeof command !== 'string') return command
  try {
    return splitWords(command)
  } catch (error) {
    const hint = 'write a list of words, or `shell: true` to run it in /bin/sh'
    problemAt(scope, path, `this line cannot be split into words: ${(error as Error).message}`, hint)
    return null
  }
}
