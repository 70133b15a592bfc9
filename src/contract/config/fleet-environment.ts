/**
 * The fleet's own env files, and what its mode, autonomy and strategy are when several places speak of
 * them.
 */
import { join } from 'node:path'
import {
  type EnvFile,
  parseWord,
  placeInEnvFile,
  readEnvFile,
  type Said,
  settleWord,
  type WordName,
  type Words,
} from './environment.ts'
import { child, formatPath, type MapNode, placeAt, textOf } from './located.ts'
import type { Report } from './problem.ts'
import type { LoadRequest } from './request.ts'
import { resolve, dirname } from 'node:path'
import type { FleetInput } from './schema.ts'

/** Those that are named; without any, `.env` beside mark.yaml if it is there. */
export function readFleetEnvFiles(
  tree: MapNode,
  fleet: Partial<FleetInput>,
  root: string,
  given: LoadRequest,
  report: Report,
): EnvFile[] {
  if (fleet.env_file === undefined) {
    const path = join(root, '.env')
    if (child(tree, 'env_file') !== undefined || !given.files.stat(path)?.isFile) return []
    const file = readEnvFile(path, given.files, tree.at, 'env_file', report)
    return file ? [file] : []
  }
  const isList = child(tree, 'env_file')?.kind === 'list'
  return fleet.env_file.flatMap((written, index) => {
    const path = isList ? ['env_file', index] : ['env_file']
    const at = placeAt(tree, path)
    return readEnvFile(resolve(dirname(at.file), written), given.files, at, formatPath(path), report) ?? []
  })
}

/** mark.yaml, the fleet's env files and the command line; two explicit values that disagree are an error. */
export function settleWords(
  tree: MapNode,
  envFiles: readonly EnvFile[],
  given: LoadRequest,
  report: Report,
): Words {
  const settle = <N extends WordName>(name: N): Words[N] => {
    const said: Said[] = []
    const written = textOf(child(tree, name))
    const at = placeAt(tree, [name])
    // The schema has complained about a word that is none.
    if (written !== null && parseWord(name, written) !== null) said.push({ where: 'mark.yaml', written, at })
    for (const file of envFiles) {
      const value = file.variables[name.toUpperCase()]
      const place = placeInEnvFile(file, name.toUpperCase())
      if (value !== undefined && value !== '') said.push({ where: file.path, written: value, at: place })
    }
    const flag = given.flags[name]
    if (flag !== undefined) said.push({ where: `--${name}`, written: flag, at })
    return settleWord(name, said, report)
  }
  return { mode: settle('mode'), autonomy: settle('autonomy'), strategy: settle('strategy') }
}
