/**
 * Reads a bot's own configuration files as Freqtrade does: JSON with comments, later files over earlier ones,
 * `add_config_files` under the file that names them. Every fault is a problem that names the file. Keeps and
 * shows no value: they hold the keys of exchanges.
 */
import { dirname, resolve } from 'node:path'
import { type Json, parseCommentedJson, plainJson, positionOf } from '../../core/commented-json.ts'
import { type BotConfig, isMap, mergeConfigs } from '../../core/freqtrade.ts'
import { type ConfigFiles, readText } from './files.ts'
import type { Place } from './problem.ts'

export interface BotFiles {
  readonly config: BotConfig
  /** Where `dry_run` stands that holds; null: in no file. */
  readonly dryRunAt: Place | null
}

export interface BotFault {
  readonly at: Place | null
  readonly message: string
}

const DEPTH_MAX = 5
const EMPTY: BotFiles = { config: {}, dryRunAt: null }

/** `names` are relative to `directory`. A fault ends it: half a configuration decides nothing. */
export function readBotConfig(
  files: ConfigFiles,
  names: readonly string[],
  directory: string,
  depth = 0,
): BotFiles | BotFault {
  if (depth > DEPTH_MAX) return { at: null, message: 'its `add_config_files` name each other' }
  let whole = EMPTY
  for (const name of names) {
    if (name === '-') return { at: null, message: 'MARK cannot read a configuration from standard input' }
    const one = readFile(files, resolve(directory, name), depth)
    if ('message' in one) return one
    whole = over(whole, one)
  }
  return whole
}

function readFile(files: ConfigFiles, path: string, depth: number): BotFiles | BotFault {
  const found = readText(files, path)
  if ('why' in found) return { at: null, message: `${path} ${found.why}` }
  const parsed = parseCommentedJson(found.text)
  const placeOf = (offset: number): Place => ({ file: path, ...positionOf(found.text, offset) })
  if ('fault' in parsed) return { at: placeOf(parsed.offset), message: `${path}: ${parsed.fault}` }
  if (!isMap(parsed.value)) return { at: placeOf(0), message: `${path} is not a map of settings` }
  const { value } = parsed
  const dryRunAt = value.dry_run === undefined ? null : placeOf(plainJson(found.text).search(/"dry_run"\s*:/))
  const own = { config: value, dryRunAt }
  const added = textsOf(value.add_config_files)
  if (added.length === 0) return own
  const under = readBotConfig(files, added, dirname(files.realpath(path)), depth + 1)
  return 'message' in under ? under : over(under, own)
}

function over(under: BotFiles, upper: BotFiles): BotFiles {
  return {
    config: mergeConfigs(under.config, upper.config),
    dryRunAt: upper.dryRunAt ?? under.dryRunAt,
  }
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}
