/**
 * What Freqtrade does with its command and its configuration, as far as MARK must know it: which files it
 * reads, what they are merged to, whether it trades with real money, and by what MARK can tell that it is
 * ready and trading. Pure. Promises to call it a dry run only when Freqtrade itself would.
 */
import type { Json } from './commented-json.ts'

export type BotConfig = { readonly [key: string]: Json }

export interface FreqtradeCommand {
  /** As given by -c, in order; none: user_data/config.json, else config.json. */
  readonly configs: readonly string[]
  readonly userDir: string
  readonly dryRun: boolean
  readonly sdNotify: boolean
}

/** Null when the words do not say `trade`: then nothing can be told of what it will do. */
export function readFreqtradeCommand(argv: readonly string[]): FreqtradeCommand | null {
  const trade = argv.indexOf('trade', 1)
  if (trade < 0) return null
  const words = argv.slice(trade + 1)
  return {
    configs: valuesOf(words, ['--config', '-c']),
    userDir: valuesOf(words, ['--userdir', '--user-data-dir']).at(-1) ?? 'user_data',
    dryRun: words.includes('--dry-run'),
    sdNotify: words.includes('--sd-notify'),
  }
}

/** `--config x`, `--config=x`, `-c x`, `-cx`, and what argparse takes for it: `--conf x`. */
function valuesOf(words: readonly string[], names: readonly string[]): string[] {
  const found: string[] = []
  for (const [index, word] of words.entries()) {
    const equals = word.startsWith('--') ? word.indexOf('=') : -1
    const option = equals > 0 ? word.slice(0, equals) : word
    const isLong = option.length > 4 && names.some(name => name.startsWith(option))
    const short = names.find(name => name.length === 2 && word.startsWith(name) && !word.startsWith('--'))
    if (isLong && equals > 0) found.push(word.slice(equals + 1))
    else if (short !== undefined && word.length > 2) found.push(word.slice(2).replace(/^=/, ''))
    else if (isLong || short !== undefined) {
      const value = words[index + 1]
      if (value !== undefined) found.push(value)
    }
  }
  return found
}

/** As its deep_merge_dicts: `over` wins, maps are merged key by key. */
export function mergeConfigs(under: BotConfig, over: BotConfig): BotConfig {
  const merged: Record<string, Json> = Object.assign(Object.create(null), under)
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = isMap(value) && isMap(below) ? mergeConfigs(below, value) : value
  }
  return merged
}

export function isMap(value: Json | undefined): value is BotConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const PREFIX = 'FREQTRADE__'
export const DRY_RUN_VARIABLE = 'FREQTRADE__DRY_RUN'

/** FREQTRADE__API_SERVER__LISTEN_PORT=8081 and the like, which win over every file. */
export function configOfVariables(variables: Readonly<Record<string, string>>): BotConfig {
  let config: BotConfig = {}
  for (const name of Object.keys(variables).sort()) {
    if (!name.startsWith(PREFIX)) continue
    const keys = name.slice(PREFIX.length).toLowerCase().split('__').reverse()
    const value = keys.reduce<Json>((inner, key) => ({ [key]: inner }), typed(variables[name] as string))
    config = mergeConfigs(config, value as BotConfig)
  }
  return config
}

function typed(text: string): Json {
  if (/^(t|true)$/i.test(text)) return true
  if (/^(f|false)$/i.test(text)) return false
  return /^\s*[+-]?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : text
}

/** `unset`: Freqtrade 2026.9 then ends with a KeyError. Anything but true is taken for real money. */
export function moneyOf(command: FreqtradeCommand, config: BotConfig): 'dry' | 'real' | 'unset' {
  if (command.dryRun) return 'dry'
  if (config.dry_run === undefined) return 'unset'
  return config.dry_run === true ? 'dry' : 'real'
}

export interface FreqtradeSigns {
  readonly ready: { readonly notify: true } | { readonly http: string } | { readonly log: string }
  /** Where its REST server answers without a password; null: it has none. */
  readonly ping: string | null
  /** Its log heartbeat may be as old as this; 0: it logs none. */
  readonly maxAgeSeconds: number
}

const STARTED = 'Changing state( from \\w+)? to: '
const MAX_AGE_SECONDS = 300

export function signsOf(command: FreqtradeCommand, config: BotConfig): FreqtradeSigns {
  const internals = isMap(config.internals) ? config.internals : {}
  const ping = pingOf(config.api_server)
  const beat = typeof internals.heartbeat_interval === 'number' ? internals.heartbeat_interval : 60
  const maxAgeSeconds = beat > 0 ? Math.max(MAX_AGE_SECONDS, 5 * beat) : 0
  if (command.sdNotify || internals.sd_notify === true)
    return { ready: { notify: true }, ping, maxAgeSeconds }
  return { ready: ping === null ? { log: STARTED } : { http: ping }, ping, maxAgeSeconds }
}

function pingOf(api: Json | undefined): string | null {
  if (!isMap(api) || api.enabled !== true) return null
  const host = typeof api.listen_ip_address === 'string' ? api.listen_ip_address : '127.0.0.1'
  const port = typeof api.listen_port === 'number' ? api.listen_port : 8080
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}/api/v1/ping`
}
