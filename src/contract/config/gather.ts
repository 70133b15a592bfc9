/**
 * Reads mark.yaml and what it includes into one tree: interpolated, short forms unfolded, `defaults:` and
 * presets merged under every module. Refuses files that others can change, include cycles and names declared
 * twice.
 */
import { dirname, resolve } from 'node:path'
import { MarkError } from '../../core/errors.ts'
import { readDocument } from './document.ts'
import { type ConfigFiles, readText } from './files.ts'
import { interpolateTree, type Variables } from './interpolate.ts'
import {
  child,
  type Entry,
  isNull,
  type LocatedNode,
  type MapNode,
  mapOf,
  merge,
  textNode,
  textOf,
} from './located.ts'
import { readPreset } from './presets.ts'
import { didYouMean, type Place, type Report } from './problem.ts'
import { fleetShape, INCLUDABLE } from './schema.ts'
import { unfoldModule } from './unfold.ts'

const INCLUDE_MAX = 100
/** Maps that an included file adds to. */
const MERGED = ['modules', 'groups', 'secrets', 'jobs', 'pools', 'calendars'] as const

/**
 * The merged tree, or null if a file could not be understood. Throws MARK_CONFIG_MISSING if `file` is not
 * there.
 */
export function gather(
  file: string,
  files: ConfigFiles,
  variables: Variables,
  report: Report,
): MapNode | null {
  const found = readText(files, file)
  if ('why' in found) {
    const hint =
      found.code === 'ENOENT' ? 'go to the directory of a fleet, or begin one with `mark init`' : null
    throw new MarkError('MARK_CONFIG_MISSING', `${file} ${found.why}.`, hint)
  }
  return new Gatherer(files, variables, report).tree(file, found.text)
}

class Gatherer {
  readonly #files: ConfigFiles
  readonly #variables: Variables
  readonly #report: Report
  readonly #seen = new Set<string>()
  readonly #sections = new Map<string, Map<string, Entry>>()
  #broken = false

  constructor(files: ConfigFiles, variables: Variables, report: Report) {
    this.#files = files
    this.#variables = variables
    this.#report = report
  }

  tree(file: string, text: string): MapNode | null {
    const root = this.#file(file, text, [], null)
    if (root === null || this.#broken) return null
    const entries = new Map(root.entries)
    for (const [section, merged] of this.#sections) {
      const entry = root.entries.get(section)
      const at = entry?.keyAt ?? root.at
      entries.set(section, { keyAt: at, node: { kind: 'map', at, entries: merged } })
    }
    return { ...root, entries }
  }

  #file(file: string, text: string, chain: readonly string[], defaults: LocatedNode | null): MapNode | null {
    const unsafe = this.#files.safe(file)
    if (unsafe !== null) {
      const at = { file, line: 1, column: 1 }
      const hint = 'chmod go-w the file and the directories above it'
      this.#report.error({ at, path: '', message: unsafe, hint, code: 'MARK_CONFIG_UNSAFE' })
      this.#broken = true
      return null
    }
    this.#seen.add(this.#files.realpath(file))
    const written = readDocument(file, text, this.#report)
    if (written === null || written.kind !== 'map') {
      if (written !== null) {
        this.#report.error({
          at: written.at,
          path: '',
          message: 'this is not a map of keys',
          hint: 'a fleet begins with `modules:`',
        })
      }
      this.#broken = true
      return null
    }
    const root = upperCaseWords(interpolateTree(written, this.#variables, this.#report) as MapNode)
    if (chain.length > 0) this.#refuseFleetKeys(root)
    return this.#merge(root, file, chain, defaults)
  }

  #merge(root: MapNode, file: string, chain: readonly string[], outer: LocatedNode | null): MapNode {
    const entries = new Map(root.entries)
    const own = entries.get('defaults')
    let defaults = outer
    if (own && !isNull(own.node)) {
      const node = unfoldModule(own.node, 'defaults', this.#report)
      entries.set('defaults', { ...own, node })
      defaults = outer === null ? node : merge(outer, node)
    }
    for (const section of MERGED) {
      const node = entries.get(section)?.node
      if (node?.kind !== 'map') continue
      for (const [name, entry] of node.entries) this.#declare(section, name, entry, defaults)
    }
    this.#include(child(root, 'include'), file, chain, defaults)
    return { ...root, entries }
  }

  #declare(section: string, name: string, entry: Entry, defaults: LocatedNode | null): void {
    const merged = this.#sections.get(section) ?? new Map<string, Entry>()
    this.#sections.set(section, merged)
    const before = merged.get(name)
    if (before) {
      const { file, line, column } = before.keyAt
      const message = `\`${name}\` is declared twice: also in ${file}:${line}:${column}`
      this.#report.error({
        at: entry.keyAt,
        path: `${section}.${name}`,
        message,
        hint: 'rename or remove one of them',
      })
      return
    }
    const isProgram = section === 'modules' || section === 'jobs'
    let node = isProgram && isNull(entry.node) ? mapOf(entry.keyAt, []) : entry.node
    if (section === 'modules') {
      node = unfoldModule(node, `modules.${name}`, this.#report)
      if (node.kind === 'map') node = this.#overlaid(node, defaults)
    }
    if (section === 'jobs') node = unfoldModule(node, `jobs.${name}`, this.#report)
    merged.set(name, { ...entry, node })
  }

  /** defaults < preset < module; `preset` itself may come from the defaults. */
  #overlaid(module: MapNode, defaults: LocatedNode | null): LocatedNode {
    const whole = defaults?.kind === 'map' ? merge(defaults, module) : module
    const preset = readPreset(textOf(child(whole, 'preset')), this.#files)
    if (preset === null) return whole
    const under = defaults?.kind === 'map' ? merge(defaults, preset.settings) : preset.settings
    return merge(under, module)
  }

  #include(
    node: LocatedNode | undefined,
    file: string,
    chain: readonly string[],
    defaults: LocatedNode | null,
  ): void {
    const items = node?.kind === 'list' ? node.items : node ? [node] : []
    for (const item of items) {
      const name = textOf(item)
      if (name === null) continue // the schema says what is wrong with it
      const path = resolve(dirname(file), name)
      const found = this.#readIncluded(path, item.at, [...chain, file])
      if (found !== null) this.#file(path, found, [...chain, file], defaults)
    }
  }

  #readIncluded(path: string, at: Place, chain: readonly string[]): string | null {
    const refuse = (message: string, hint: string | null): null => {
      this.#report.error({ at, path: 'include', message, hint })
      this.#broken = true
      return null
    }
    const real = this.#files.realpath(path)
    const names = chain.map(name => this.#files.realpath(name))
    if (names.includes(real)) {
      const circle = [...names.slice(names.indexOf(real)), real].map(name => name.split('/').at(-1))
      return refuse(`the files include each other: ${circle.join(' -> ')}`, 'remove one of these includes')
    }
    if (this.#seen.has(real)) return refuse(`${path} is included twice`, 'include it once')
    if (this.#seen.size >= INCLUDE_MAX) return refuse(`more than ${INCLUDE_MAX} files are included`, null)
    const found = readText(this.#files, path)
    return 'why' in found
      ? refuse(`${path} ${found.why}`, 'paths are relative to the file that names them')
      : found.text
  }

  #refuseFleetKeys(root: MapNode): void {
    for (const [key, entry] of root.entries) {
      if ((INCLUDABLE as readonly string[]).includes(key)) continue
      const fleetKey = Object.hasOwn(fleetShape, key)
      const message = fleetKey
        ? `\`${key}\` cannot be said in an included file`
        : `\`${key}\` is not a key of mark.yaml`
      const hint = fleetKey ? 'say it in the first file' : didYouMean(key, INCLUDABLE)
      this.#report.error({ at: entry.keyAt, path: key, message, hint })
    }
  }
}

/** `mode: real` and `testnet` are what `REAL` and `testnet` are. */
function upperCaseWords(root: MapNode): MapNode {
  const entries = new Map(root.entries)
  for (const key of ['mode', 'autonomy', 'strategy']) {
    const entry = entries.get(key)
    const word = textOf(entry?.node)
    if (!entry || word === null) continue
    const upper = word.toUpperCase() === 'TESTNET' ? 'testnet' : word.toUpperCase()
    entries.set(key, { ...entry, node: { ...textNode(entry.node.at, upper), source: word } })
  }
  return { ...root, entries }
}
