/**
 * The gathered tree to a plan: every section validated, every module resolved, in dependency order. Goes on
 * after a problem, so that all of them are said at once.
 */
import { basename, dirname } from 'node:path'
import { LINK } from '../../core/link-spec.ts'
import type { GroupSpec, Mode, ModuleSpec, Plan, SecretSource } from '../../core/plan.ts'
import { baseEnvironment, combine, type EnvFile, parseWord, type Words } from './environment.ts'
import { isTimeZone } from '../jobs/time-zone.ts'
import { readFleetEnvFiles, settleWords } from './fleet-environment.ts'
import { child, type LocatedNode, type MapNode, nodeAt, placeAt, textOf, toPlain } from './located.ts'
import { inDependencyOrder } from './order.ts'
import { didYouMean, type Report } from './problem.ts'
import type { LoadRequest } from './request.ts'
import { argvAt } from './resolve-command.ts'
import { resolveCalendars, usedCalendars } from './resolve-calendars.ts'
import { resolveJobs } from './resolve-jobs.ts'
import { resolveLink } from './resolve-link.ts'
import { requireVariables } from './resolve-environment.ts'
import { resolveModule } from './resolve-module.ts'
import type { Resolved } from './resolve-process.ts'
import { type FleetInput, fleetSchema, fleetShape, INACTIVE_SECTIONS } from './schema.ts'
import { type ModuleInput, moduleSchema } from './schema-module.ts'
import { NAME_PATTERN } from './schema-parts.ts'
import { problemAt, problemAtKey, resolvePath, type Scope } from './scope.ts'
import { validate } from './validate.ts'
import { warnAbout } from './warnings.ts'

const DAY_MS = 86_400_000

export interface ResolvedFleet {
  readonly plan: Plan
  /** Modules, and what jobs start. */
  readonly processes: readonly Resolved[]
  readonly scope: Scope
}

/** `report` decides whether the plan may be used. */
export function resolveFleet(tree: MapNode, given: LoadRequest, report: Report): ResolvedFleet {
  const fleet = validate(fleetSchema, tree, [], report) ?? salvage(tree)
  const root = dirname(given.file)
  const fleetEnvFiles = readFleetEnvFiles(tree, fleet, root, given, report)
  const words = settleWords(tree, fleetEnvFiles, given, report)
  const inputs = salvageModules(tree)
  const scope = scopeOf(tree, given, report, words, fleetEnvFiles)
  if (scope.moduleNames.length === 0 && keysOf(tree, 'jobs').length === 0) {
    const hint = 'declare one: `modules: { vida: { command: [python3, -m, vida] } }`'
    problemAt(scope, ['modules'], 'no module is declared', hint)
  }
  checkNamespace(scope)
  requireVariables(scope, [], fleet.required_env ?? [], { ...given.env, ...combine(fleetEnvFiles) })
  checkTimezone(scope, fleet.timezone ?? 'UTC')
  const calendars = resolveCalendars(scope, keysOf(tree, 'calendars'))
  const modules = [...inputs].map(([name, input]) => resolveModule(scope, name, input, calendars))
  const specs = new Map(modules.map(({ spec }) => [spec.name, spec]))
  const ordered = orderModules(scope).flatMap(name => specs.get(name) ?? [])
  const link = resolveLink(scope, fleet.link, root, given.linkArgv)
  const pools = fleet.pools ?? {}
  const timezone = fleet.timezone ?? 'UTC'
  const { readCronLine } = given
  const names = { names: keysOf(tree, 'jobs'), pools: keysOf(tree, 'pools') }
  const { jobs, starts } = resolveJobs(scope, { ...names, timezone, readCronLine, calendars })
  const plan: Plan = {
    version: 1,
    fleet: fleetName(scope, fleet, root),
    root,
    configFile: given.file,
    ...words,
    timezone,
    baseEnvironment: scope.baseEnvironment,
    fleetEnvFiles: fleetEnvFiles.map(file => file.path),
    secrets: secretsOf(scope, fleet),
    start: { atomic: fleet.start?.atomic ?? false, deadlineMs: fleet.start?.deadline ?? 300_000 },
    retention: {
      eventsMs: fleet.retention?.events ?? 90 * DAY_MS,
      samplesMs: fleet.retention?.samples ?? 14 * DAY_MS,
      logsMs: fleet.retention?.logs ?? 14 * DAY_MS,
    },
    groups: groupsOf(scope, fleet),
    link: link.plan,
    calendars: usedCalendars(calendars, ordered, jobs),
    modules: link.spec === null ? ordered : [link.spec, ...ordered.map(afterLink)],
    jobs,
    pools,
    inactive: inactiveOf(tree),
  }
  warnAbout(scope, plan)
  return { plan, processes: [...modules, ...starts], scope }
}

function scopeOf(
  tree: MapNode,
  given: LoadRequest,
  report: Report,
  words: Words,
  fleetEnvFiles: readonly EnvFile[],
): Scope {
  const kept = given.refreshEnv ? undefined : given.previous?.baseEnvironment
  return {
    tree,
    files: given.files,
    report,
    env: given.env,
    uid: given.uid,
    nowMs: given.nowMs,
    baseEnvironment: kept ?? baseEnvironment(given.env),
    fleetEnvFiles,
    words,
    secretNames: keysOf(tree, 'secrets'),
    moduleNames: keysOf(tree, 'modules'),
    builtIn: hasOwnBroker(tree) ? [LINK] : [],
    isTask: name => textOf(nodeAt(tree, ['modules', name, 'kind'])) === 'task',
  }
}

function hasOwnBroker(tree: MapNode): boolean {
  const link = child(tree, 'link')
  return link?.kind === 'map' && textOf(child(link, 'broker')) === null
}

/** So that the broker starts first and stops last; it need not be ready, unless the module wants it so. */
function afterLink(spec: ModuleSpec): ModuleSpec {
  if (spec.dependsOn.some(({ name }) => name === LINK)) return spec
  return { ...spec, dependsOn: [{ name: LINK, condition: 'started' }, ...spec.dependsOn] }
}

function keysOf(tree: MapNode, section: string): string[] {
  const node = child(tree, section)
  return node?.kind === 'map' ? [...node.entries.keys()] : []
}

/** After a problem somewhere: the sections that are sound, so that the rest is checked too. */
function salvage(tree: MapNode): Partial<FleetInput> {
  const plain = toPlain(tree) as Record<string, unknown>
  const sound: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(fleetShape)) {
    const result = schema.safeParse(plain[key])
    if (result.success) sound[key] = result.data
  }
  return sound as Partial<FleetInput>
}

/**
 * Of a module with a fault in its shape, what is left without the faulty keys: to be judged at the same
 * time.
 */
function salvageModules(tree: MapNode): Map<string, ModuleInput> {
  const sound = new Map<string, ModuleInput>()
  for (const name of keysOf(tree, 'modules')) {
    const plain = toPlain(nodeAt(tree, ['modules', name]) as LocatedNode)
    const result = moduleSchema.safeParse(plain)
    if (result.success) {
      sound.set(name, result.data)
      continue
    }
    if (plain === null || typeof plain !== 'object' || Array.isArray(plain)) continue
    const left: Record<string, unknown> = { ...plain }
    for (const issue of result.error.issues) {
      const keys =
        issue.path.length === 0 && issue.code === 'unrecognized_keys' ? issue.keys : issue.path.slice(0, 1)
      for (const key of keys) delete left[String(key)]
    }
    // Stands in for a command that is wrong or misspelt, which is said already.
    left.command ??= ['/bin/sh']
    const second = moduleSchema.safeParse(left)
    if (second.success) sound.set(name, second.data)
  }
  return sound
}

function fleetName(scope: Scope, fleet: Partial<FleetInput>, root: string): string {
  if (fleet.name !== undefined) return fleet.name
  const fits = basename(root)
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 63)
  if (NAME_PATTERN.test(fits)) return fits
  if (child(scope.tree, 'name') === undefined) {
    problemAt(
      scope,
      ['name'],
      `the directory's name \`${basename(root)}\` gives no name for the fleet`,
      'add `name: my-fleet`',
    )
  }
  return 'fleet'
}

function orderModules(scope: Scope): readonly string[] {
  const needs = (name: string): string[] => {
    const node = nodeAt(scope.tree, ['modules', name, 'depends_on'])
    return node?.kind === 'map' ? [...node.entries.keys()].filter(needed => needed !== name) : []
  }
  const ordered = inDependencyOrder(scope.moduleNames, needs)
  if (ordered.ok) return ordered.names
  const [first, second] = ordered.cycle as [string, string]
  const path = ['modules', first, 'depends_on', second]
  problemAtKey(
    scope,
    path,
    `modules depend on each other: ${ordered.cycle.join(' -> ')}`,
    'remove one of these dependencies',
  )
  return scope.moduleNames
}

/** SPEC 1: modules, jobs and groups share one name space. */
function checkNamespace(scope: Scope): void {
  const taken = new Map<string, string>()
  for (const section of ['modules', 'jobs', 'groups']) {
    for (const name of keysOf(scope.tree, section)) {
      const other = taken.get(name)
      if (other === undefined) taken.set(name, section)
      else
        problemAtKey(
          scope,
          [section, name],
          `\`${name}\` stands under \`${other}\` too`,
          'modules, jobs and groups share one name space',
        )
    }
  }
}

function checkTimezone(scope: Scope, timezone: string): void {
  if (isTimeZone(timezone)) return
  const hint = 'write one such as UTC or Europe/Amsterdam'
  problemAt(scope, ['timezone'], `"${timezone}" is not a time zone`, hint)
}

function groupsOf(scope: Scope, fleet: Partial<FleetInput>): Record<string, GroupSpec> {
  const home = new Map<string, string>()
  const groups: Record<string, GroupSpec> = {}
  for (const [name, { modules, on_failure }] of Object.entries(fleet.groups ?? {})) {
    groups[name] = { modules, onFailure: on_failure }
    for (const [index, member] of modules.entries()) {
      const path = ['groups', name, 'modules', index]
      const other = home.get(member)
      if (!scope.moduleNames.includes(member)) {
        problemAt(scope, path, `there is no module \`${member}\``, didYouMean(member, scope.moduleNames))
      } else if (other !== undefined) {
        problemAt(
          scope,
          path,
          `\`${member}\` is in the group \`${other}\` already`,
          'a module belongs to one group at most',
        )
      } else home.set(member, name)
    }
  }
  return groups
}

function secretsOf(scope: Scope, fleet: Partial<FleetInput>): Record<string, SecretSource> {
  const secrets: Record<string, SecretSource> = {}
  for (const [name, input] of Object.entries(fleet.secrets ?? {})) {
    const path = ['secrets', name]
    const kinds = (['env', 'file', 'exec', 'credential'] as const).filter(kind => input[kind] !== undefined)
    if (kinds.length !== 1) {
      problemAtKey(
        scope,
        path,
        'exactly one of env, file, exec, credential says where it comes from',
        'keep one of them',
      )
    }
    const modes =
      input.modes === 'all' ? null : input.modes.map(written => parseWord('mode', written) as Mode)
    if (input.file !== undefined)
      secrets[name] = { kind: 'file', path: resolvePath(scope, [...path, 'file'], input.file), modes }
    else if (input.exec !== undefined) {
      const execPath = [...path, 'exec']
      const directory = dirname(placeAt(scope.tree, execPath).file)
      secrets[name] = { kind: 'exec', argv: argvAt(scope, execPath, input.exec, directory), modes }
    } else if (input.credential !== undefined)
      secrets[name] = { kind: 'credential', name: input.credential, modes }
    else secrets[name] = { kind: 'env', name: input.env ?? name, modes }
  }
  return secrets
}

/** Sections that are checked but act on nothing in this version. */
function inactiveOf(tree: MapNode): string[] {
  return INACTIVE_SECTIONS.filter(section => {
    const node = child(tree, section)
    return node !== undefined && !(node.kind === 'map' && node.entries.size === 0)
  })
}
