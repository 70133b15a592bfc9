/**
 * The preset `freqtrade`: reads the bot's own configuration, refuses real money where the fleet is not for
 * it, and chooses `ready` and `health` by what the bot has. Where real money is not meant, the module also
 * gets FREQTRADE__DRY_RUN=true, which wins over every file: one that is edited later changes nothing.
 */
import { join } from 'node:path'
import {
  type BotConfig,
  configOfVariables,
  DRY_RUN_VARIABLE,
  type FreqtradeCommand,
  mergeConfigs,
  moneyOf,
  readFreqtradeCommand,
  signsOf,
} from '../../core/freqtrade.ts'
import { realMoney } from '../../core/plan.ts'
import { readBotConfig } from './bot-config.ts'
import { formatPath, type Path } from './located.ts'
import { isOfPreset, presetPath, type Surroundings } from './presets.ts'
import type { Place } from './problem.ts'
import { commandAt } from './resolve-command.ts'
import type { ModuleInput } from './schema-module.ts'
import { placeOf, problemAt, type Scope } from './scope.ts'

export function freqtrade(scope: Scope, at: Path, input: ModuleInput, around: Surroundings): ModuleInput {
  const argv = input.command === undefined ? [] : commandAt(scope, at, input, around.workingDir)
  const command = readFreqtradeCommand(argv)
  if (command === null) {
    const hint = 'write [freqtrade, trade, -c, config.json], or leave the preset out'
    problemAt(scope, [...at, 'command'], 'the preset freqtrade must find the word `trade` in it', hint)
    return unread(input)
  }
  const commandPath = [...at, 'command']
  const said = placeOf(scope, isOfPreset(scope.tree, commandPath, 'freqtrade') ? at : commandPath)
  const found = readBotConfig(scope.files, filesOf(scope, command, around.workingDir), around.workingDir)
  if ('message' in found) {
    const hint = 'the preset freqtrade reads the configuration of the bot; is the path right?'
    scope.report.error({ at: found.at ?? said, path: formatPath(at), message: found.message, hint })
    return unread(input)
  }
  const fromVariables = configOfVariables({ ...around.variables, ...input.environment })
  const config = mergeConfigs(found.config, fromVariables)
  const ofVariable =
    fromVariables.dry_run === undefined ? null : placeOf(scope, [...at, 'environment', DRY_RUN_VARIABLE])
  judgeMoney(scope, at, command, config, ofVariable ?? found.dryRunAt ?? said)
  return asked(scope, at, interlocked(scope, input), command, config)
}

/** What is wrong is said: that `health` has no question is no second fault. */
function unread({ health, ...input }: ModuleInput): ModuleInput {
  return isAsked(health) ? { ...input, health } : input
}

function isAsked(health: ModuleInput['health']): boolean {
  return HEALTH_KINDS.some(kind => health?.[kind] !== undefined)
}

/** As Freqtrade looks for them: relative to the directory it runs in. */
function filesOf(scope: Scope, command: FreqtradeCommand, workingDir: string): readonly string[] {
  if (command.configs.length > 0) return command.configs
  const own = join(command.userDir, 'config.json')
  return [scope.files.stat(join(workingDir, own))?.isFile ? own : 'config.json']
}

function judgeMoney(
  scope: Scope,
  at: Path,
  command: FreqtradeCommand,
  config: BotConfig,
  place: Place,
): void {
  const { mode, autonomy } = scope.words
  const money = moneyOf(command, config)
  const path = formatPath(at)
  if (money === 'real' && !realMoney(scope.words)) {
    scope.report.error({
      at: place,
      path,
      message: `it would trade with real money (dry_run is not true), and the fleet is ${mode} ${autonomy}`,
      hint: 'set dry_run to true, add --dry-run to `command`, or say `mode: REAL` and `autonomy: AUTO`',
      code: 'MARK_REAL_MONEY',
    })
  }
  if (mode !== 'REAL') return
  if (money === 'dry') {
    const message = 'the fleet is REAL, and this bot trades on paper (dry_run)'
    scope.report.warn({ at: place, path, message, hint: 'set dry_run to false, or say `mode: TEST`' })
  } else if (money === 'unset') {
    const message = 'its configuration has no dry_run, and Freqtrade does not start without it'
    scope.report.warn({ at: place, path, message, hint: 'set dry_run to true or to false' })
  }
}

function interlocked(scope: Scope, input: ModuleInput): ModuleInput {
  if (realMoney(scope.words)) return input
  return { ...input, environment: { ...input.environment, [DRY_RUN_VARIABLE]: 'true' } }
}

const READY_KINDS = ['notify', 'http', 'tcp', 'exec', 'log', 'delay'] as const
const HEALTH_KINDS = ['http', 'tcp', 'exec'] as const

/** `ready` and `health` as the bot can be asked, unless the module says how. */
function asked(
  scope: Scope,
  at: Path,
  input: ModuleInput,
  command: FreqtradeCommand,
  config: BotConfig,
): ModuleInput {
  const { ready, ping, maxAgeSeconds } = signsOf(command, config)
  const chosen = { ...input }
  if (!READY_KINDS.some(kind => input.ready[kind] !== undefined)) chosen.ready = { ...input.ready, ...ready }
  if (input.health && !isAsked(input.health)) {
    chosen.health = healthOf(scope, at, input, ping, maxAgeSeconds)
  }
  if (maxAgeSeconds === 0 && isOfPreset(scope.tree, [...at, 'silence'], 'freqtrade')) chosen.silence = 'off'
  return chosen
}

function healthOf(
  scope: Scope,
  at: Path,
  input: ModuleInput,
  ping: string | null,
  maxAgeSeconds: number,
): ModuleInput['health'] {
  const health = input.health as NonNullable<ModuleInput['health']>
  if (input.user === undefined || input.user === 'root') {
    const asks = ['python3', presetPath('freqtrade-health.py'), `--max-age=${maxAgeSeconds}`]
    return { ...health, exec: ping === null ? asks : [...asks, `--ping=${ping}`] }
  }
  // Its log belongs to root, so a probe that runs as the module cannot read the state in it.
  const message = `as the user ${input.user} its log cannot be read: that it is STOPPED will not be seen`
  const hint = 'give `health: { exec: ... }` that asks it, or run MARK as that user'
  scope.report.warn({ at: placeOf(scope, [...at, 'user']), path: formatPath(at), message, hint })
  return ping === null ? undefined : { ...health, http: ping }
}
