/**
 * Settings for known programs: `presets/<name>.yaml` in the package, with the keys of a module. They lie over
 * `defaults:` and under what the module says. Data only: what a preset must look up for itself stands in
 * resolve-preset.ts.
 */
import { fileURLToPath } from 'node:url'
import { readDocument } from './document.ts'
import type { ConfigFiles } from './files.ts'
import { child, type MapNode, nodeAt, type Path, textOf } from './located.ts'
import { Report } from './problem.ts'
import { unfoldModule } from './unfold.ts'

/** As the files in `presets/`; a test compares both. */
export const PRESETS = ['freqtrade', 'python-venv'] as const
export type PresetName = (typeof PRESETS)[number]

export interface Preset {
  /** What lies under the module. */
  readonly settings: MapNode
  /** `untested`, or the version it was tried with and what was seen. */
  readonly tested: string
}

/** What a preset may look at beside the module itself. */
export interface Surroundings {
  readonly workingDir: string
  readonly virtualenv: string | null
  /** Of the env files; what `environment` says wins over them. */
  readonly variables: Readonly<Record<string, string>>
}

/** Whether what stands at `path` came with the preset and not from the fleet. */
export function isOfPreset(tree: MapNode, path: Path, preset: PresetName): boolean {
  return nodeAt(tree, path)?.at.file === presetPath(`${preset}.yaml`)
}

/** A file of the package's `presets/`. */
export function presetPath(file: string): string {
  return fileURLToPath(new URL(`../../../presets/${file}`, import.meta.url))
}

/** Null for a name that is none: the schema says so. Throws where the package's own file is broken. */
export function readPreset(name: string | null, files: ConfigFiles): Preset | null {
  if (!(PRESETS as readonly (string | null)[]).includes(name)) return null
  const path = presetPath(`${name}.yaml`)
  const report = new Report()
  const tree = readDocument(path, files.read(path), report)
  const about = tree === null ? undefined : child(tree, 'preset')
  if (tree?.kind !== 'map' || about?.kind !== 'map') throw new Error(`${path} is no preset`)
  const entries = new Map(tree.entries)
  entries.delete('preset')
  return {
    settings: unfoldModule({ ...tree, entries }, `preset ${name}`, report) as MapNode,
    tested: textOf(child(about, 'tested')) ?? 'untested',
  }
}
