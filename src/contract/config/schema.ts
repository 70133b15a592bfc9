/**
 * The whole of mark.yaml (SPEC 3): one schema for parsing, for `mark config explain` and, as JSON Schema,
 * for editors. Every key is described; unknown keys are errors.
 */
import { z } from 'zod'
import { calendars } from './schema-calendar.ts'
import { jobSchema, pools, writtenJobSchema } from './schema-job.ts'
import { linkSchema } from './schema-link.ts'
import { defaultsSchema, moduleSchema, writtenModuleSchema } from './schema-module.ts'
import * as part from './schema-parts.ts'

const secret = part.expecting(
  z.strictObject({
    env: part.variableName.optional().describe("Variable of the caller's environment."),
    file: part.path.optional().describe('File that holds the value.'),
    exec: part.command.optional().describe('Command that prints the value.'),
    credential: part.text.optional().describe('Name of a systemd credential.'),
    modes: part
      .expecting(z.union([z.literal('all'), z.array(part.mode)]), 'all, or a list such as [REAL]')
      .default('all')
      .describe('Modes in which it is handed out.'),
  }),
  'a map with one of env, file, exec, credential',
)

const group = part.expecting(
  z.strictObject({
    modules: part.names.describe('Members; a module belongs to one group at most.'),
    on_failure: part
      .choice(['one_for_one', 'one_for_all', 'rest_for_one'])
      .default('one_for_one')
      .describe('Which members are restarted when one fails: itself, all, or itself and those after it.'),
  }),
  'a map such as { modules: [luka, roko] }',
)

const start = z.strictObject({
  atomic: part.truth
    .default(false)
    .describe('All are ready within the deadline, or what was started is stopped again.'),
  deadline: part.positiveDuration.prefault('5m').describe('How long `mark up` waits for all to be ready.'),
})

const retention = z.strictObject({
  events: part.positiveDuration.prefault('90d').describe('How long events are kept.'),
  samples: part.positiveDuration.prefault('14d').describe('How long samples of resources are kept.'),
  logs: part.positiveDuration.prefault('14d').describe('How long archived logs are kept.'),
})

const notify = z.looseObject({
  on_log: z
    .strictObject({ level: part.text.describe('Lines of this level or above raise a notice.') })
    .optional()
    .describe('Notices from log lines.'),
})

const anything = z.record(z.string(), z.unknown())

export const fleetShape = {
  name: part.name.optional().describe("Name of the fleet. Default: the directory's name."),
  mode: part.mode.optional().describe('TEST (default), REAL or DEBUG; LIVE = REAL, testnet = TEST.'),
  autonomy: part
    .choice(['AUTO', 'MANUAL', 'VIRTUAL'])
    .optional()
    .describe('AUTO, MANUAL or VIRTUAL (default; backtest and paper).'),
  strategy: part
    .choice(['COWARD', 'NORMAL', 'RAGE', 'FUNKY'])
    .optional()
    .describe('COWARD, NORMAL (default), RAGE or FUNKY.'),
  timezone: part.text.default('UTC').describe('Time zone of schedules and reports.'),
  env_file: part.envFiles
    .optional()
    .describe('Files of variables for all modules. Default: .env, if it is there.'),
  required_env: part.variableNames
    .default([])
    .describe('Variables that must be set and not empty, or nothing starts.'),
  secrets: part
    .expecting(z.record(part.variableName, secret), 'a map such as { API_KEY: { env: API_KEY } }')
    .prefault({})
    .describe('Secrets and where they come from. A module gets those it lists.'),
  start: part
    .expecting(start, 'a map such as { atomic: true, deadline: 5m }')
    .prefault({})
    .describe('How `mark up` starts the fleet.'),
  retention: part
    .expecting(retention, 'a map such as { events: 90d }')
    .prefault({})
    .describe('How long records are kept.'),
  defaults: defaultsSchema
    .prefault({})
    .describe('Merged under every module: maps key by key, lists are replaced.'),
  include: part
    .expecting(z.union([part.path, z.array(part.path)]), 'a list of files')
    .optional()
    .describe('Further files with modules, groups, secrets and jobs.'),
  modules: part
    .expecting(z.record(part.name, moduleSchema), 'a map of modules')
    .prefault({})
    .describe('The programs of the fleet.'),
  groups: part
    .expecting(z.record(part.name, group), 'a map of groups')
    .prefault({})
    .describe('Modules that fail together.'),
  link: part
    .expecting(linkSchema, 'a map such as { publish: { vida: [ticks/#] } }')
    .optional()
    .describe('Messages between modules.'),
  jobs: part
    .expecting(z.record(part.name, jobSchema), 'a map of jobs')
    .prefault({})
    .describe('Programs that run on a schedule, after others, or by hand.'),
  pools: pools.prefault({}),
  calendars: calendars.prefault({}),
  safety: part
    .expecting(anything, 'a map')
    .optional()
    .describe('Rules of safety. Not active in this version.'),
  notify: part
    .expecting(notify, 'a map')
    .optional()
    .describe('Where notices go. Not active in this version.'),
  panel: part.expecting(anything, 'a map').optional().describe('The web panel. Not active in this version.'),
}

export const fleetSchema = z.strictObject(fleetShape)
export type FleetInput = z.infer<typeof fleetSchema>

/** Sections whose shape is checked though nothing acts on them yet. */
export const INACTIVE_SECTIONS = ['safety', 'notify', 'panel'] as const

/** What only the first file may say; an included file adds to the maps below. */
export const INCLUDABLE = [
  'include',
  'defaults',
  'modules',
  'groups',
  'secrets',
  'jobs',
  'pools',
  'calendars',
] as const

/** JSON Schema (draft 2020-12) of mark.yaml for editors: what a person may write. */
export function jsonSchema(): Record<string, unknown> {
  const written = fleetSchema.extend({
    modules: z.record(part.name, writtenModuleSchema).optional().describe('The programs of the fleet.'),
    jobs: z
      .record(part.name, writtenJobSchema)
      .optional()
      .describe('Programs that run on a schedule, after others, or by hand.'),
    defaults: writtenModuleSchema.partial().optional().describe('Merged under every module.'),
  })
  const schema = z.toJSONSchema(written, { io: 'input', unrepresentable: 'any', reused: 'inline' })
  return { ...(allowNothing(schema) as Record<string, unknown>), title: 'mark.yaml' }
}

/** Written where something else is expected, e.g. `delay: ${DELAY:-3s}`. */
const VARIABLE = { type: 'string', pattern: '\\$\\{.+\\}' }

/** A key without a value is a key not set: editors must not complain about `user:`, nor about variables. */
function allowNothing(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(allowNothing)
  if (node === null || typeof node !== 'object') return node
  const { properties, required, ...rest } = node as {
    properties?: Record<string, object>
    required?: string[]
  }
  const walked = Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, allowNothing(inner)]))
  if (!properties) return walked
  const open = Object.entries(properties).map(([key, inner]) => {
    const allowed = allowNothing(inner) as { description?: string; default?: unknown; anyOf?: unknown[] }
    if (required?.includes(key)) return [key, allowed]
    const { description, default: fallback, ...value } = allowed
    const about = {
      ...(description && { description }),
      ...(fallback !== undefined && { default: fallback }),
    }
    return [key, { ...about, anyOf: [...(value.anyOf ?? [value]), { type: 'null' }, VARIABLE] }]
  })
  return { ...walked, properties: Object.fromEntries(open), ...(required && { required }) }
}
