/**
 * Shape and defaults of one module in mark.yaml (SPEC 3). What needs more than one value to judge
 * (contradictions, names, paths) is judged in resolve-module.ts. Keys of Compose that mean the same are
 * accepted here as well.
 */
import { z } from 'zod'
import { TRADING_STATES } from '../module.ts'
import { PRESETS } from './presets.ts'
import { when } from './schema-calendar.ts'
import * as part from './schema-parts.ts'

const condition = part.choice(['started', 'ready', 'completed'])
const dependency = part.expecting(
  z.strictObject({
    condition: condition
      .optional()
      .describe('What to wait for: started, ready or completed. Default: ready; completed if it is a task.'),
  }),
  'a map such as { condition: ready }',
)

const ready = part
  .expecting(
    z.strictObject({
      notify: part
        .expecting(z.literal(true), 'true')
        .optional()
        .describe('The module says READY=1 on NOTIFY_SOCKET (sd_notify).'),
      ...part.probeShape,
      log: part.text.optional().describe('A line of its output matches this regular expression.'),
      delay: part.duration.optional().describe('It is still alive after this long. The default: 1s.'),
      timeout: part.positiveDuration.prefault('60s').describe('Not ready within this time is a failure.'),
      interval: part.positiveDuration.prefault('1s').describe('Time between two questions.'),
    }),
    'notify, or a map with one of notify, http, tcp, exec, log, delay',
  )
  .describe('When the module counts as ready, so that what depends on it may start. Default: delay 1s.')

const health = part
  .expecting(
    z.strictObject({
      ...part.probeShape,
      interval: part.positiveDuration.prefault('10s').describe('Time between two questions.'),
      timeout: part.positiveDuration.prefault('2s').describe('An answer later than this is a no.'),
      failures: part.positiveCount.default(3).describe('So many noes in a row make it unhealthy.'),
      start_period: part.duration
        .prefault('30s')
        .describe('After it is ready, noes do not count for this long.'),
      action: part
        .choice(['restart', 'recover', 'alert'])
        .default('restart')
        .describe('What to do when unhealthy: restart it, run `recover` first, or only tell.'),
    }),
    'a map with one of http, tcp, exec',
  )
  .describe(
    'The question that tells whether it is healthy. Without it: WATCHDOG, else only that it is alive.',
  )

const rung = (what: string) =>
  part
    .expecting(z.union([part.positiveDuration, z.literal('off')]), 'a duration such as 2m, or off')
    .default('off')
    .describe(what)

const ladder = part
  .expecting(
    z.strictObject({
      pause: rung('When it is told on MARK_SOCKET to pause; resumed when it is fresh again.'),
      recover: rung('When `recover:` is run; what comes of it ends no run.'),
      restart: rung('When it is restarted, within its restart budget.'),
    }),
    'a map such as { pause: 30s, recover: 2m, restart: 5m }',
  )
  .describe(
    'What is done with a module that goes on being stale, each so long after it turned so. The event ' +
      '`stale` and an alert come at once in any case; all else is off unless asked for, because to pause ' +
      'or restart a trading bot is for its operator to choose.',
  )

const heartbeat = part
  .expecting(
    z.union([
      z.strictObject({
        timeout: part.positiveDuration
          .prefault('15s')
          .describe('Once it has sent a heartbeat or WATCHDOG=1, silence longer than this is unhealthy.'),
        max_data_age: part.positiveDuration
          .optional()
          .describe('Data older than this in its heartbeat is stale.'),
        when: when
          .optional()
          .describe('Days and hours in which max_data_age counts, e.g. XNYS. Default: always.'),
        expect_state: part
          .choice(TRADING_STATES)
          .optional()
          .describe('The state its heartbeat must report, else it is stale.'),
        ladder: ladder.prefault({}),
      }),
      z.literal('off'),
    ]),
    'a map such as { timeout: 15s }, or off',
  )
  .describe('What the module says of itself: heartbeats on MARK_SOCKET, WATCHDOG=1 on NOTIFY_SOCKET.')

const budget = part.expecting(
  z.string().regex(/^[1-9]\d{0,5}\/\d{1,12}(\.\d{1,3})?(ms|s|m|h|d)$/),
  'a budget such as 5/10m',
)

const restart = part
  .expecting(
    z.strictObject({
      policy: part
        .choice(['always', 'on-failure', 'never'])
        .optional()
        .describe(
          'When to start it again after an exit nobody asked for. Default: always; on-failure for a task.',
        ),
      delay: part.duration.prefault('3s').describe('Wait before the first restart.'),
      multiplier: part.factor.default(2).describe('Each further wait is longer by this factor.'),
      max_delay: part.duration
        .optional()
        .describe('No wait is longer than this. Default: 5m, or `delay` if that is more.'),
      jitter: part.fraction
        .default(0.1)
        .describe('Waits vary by up to this fraction, so that many do not start at once.'),
      reset_after: part.positiveDuration
        .prefault('10m')
        .describe('Ready for this long, it starts again from `delay`.'),
      budget: part
        .expecting(z.union([budget, z.array(budget)]), 'a list of budgets such as [5/10m, 20/1d]')
        .optional()
        .describe('At most so many restarts after failures in any such time. Default: [5/10m, 20/1d].'),
      when_spent: part
        .choice(['slow', 'hold', 'reboot'])
        .default('slow')
        .describe('When the budget is spent: go on at max_delay with a notice, hold, or reboot the host.'),
    }),
    'always, on-failure, never, or a map such as { policy: always, delay: 3s }',
  )
  .describe('What happens after an exit that nobody asked for.')

const stop = part
  .expecting(
    z.strictObject({
      signal: part
        .expecting(z.string().min(1), 'a signal such as SIGTERM')
        .default('SIGTERM')
        .describe('The signal that asks it to end.'),
      grace: part.duration.prefault('30s').describe('After this long, SIGKILL to all the run ever started.'),
      before: part.command.optional().describe('Runs first, as the module; at most 30 s.'),
      verify: part.command
        .optional()
        .describe('Runs last: exit 0 proves that nothing is left open; at most 30 s.'),
      orders: part
        .choice(['leave', 'cancel', 'flatten'])
        .default('leave')
        .describe('What happens to its open orders.'),
    }),
    'a map such as { signal: SIGTERM, grace: 30s }',
  )
  .describe('How it is stopped.')

const log = part
  .expecting(
    z.strictObject({
      max_size: part.size.prefault('50M').describe('Past this size the older part of the log is archived.'),
      keep: part.count.default(14).describe('So many archives are kept.'),
      quota: part.size
        .optional()
        .describe(
          'Log and archives together stay below this. Default: 1G, or twice max_size if that is more.',
        ),
      reserve: part.sizeOrZero
        .prefault('1M')
        .describe('Room kept for it on the disk, so that a full disk loses no line.'),
      rotate: part
        .choice(['ring', 'rename'])
        .default('ring')
        .describe('ring cuts the file at its front; rename waits for the next run.'),
      level_pattern: part.text
        .optional()
        .describe('Regular expression whose first group is the level of a line.'),
    }),
    'a map such as { max_size: 50M, keep: 14 }',
  )
  .describe('Its output.')

export const limits = part
  .expecting(
    z.strictObject({
      memory: part.size.optional().describe('Most memory of all its processes together.'),
      cpus: part
        .expecting(z.number().positive().max(4096), 'a number of processors such as 1.5')
        .optional()
        .describe('Most processors it may keep busy, e.g. 1.5.'),
      pids: part.positiveCount.optional().describe('Most processes and threads.'),
      on_memory: part
        .choice(['restart', 'hold'])
        .default('restart')
        .describe('After it was killed for its memory.'),
    }),
    'a map such as { memory: 512M, cpus: 1, pids: 100 }',
  )
  .describe('Limits of all its processes together (cgroup).')

const recover = part
  .expecting(
    z.strictObject({
      command: part.command.describe('The command, run as the module.'),
      timeout: part.positiveDuration.prefault('30s').describe('It is killed after this long.'),
    }),
    'a map such as { command: [./recover.sh], timeout: 30s }',
  )
  .describe('Runs before a restart that health asked for.')

/** What a job shares with a module: what is started, as whom, within which limits, and how it is stopped. */
export const processShape = {
  command: part.command
    .optional()
    .describe('What to run: a list is argv, a line is split as a shell splits words. No shell runs.'),
  shell: part.truth.default(false).describe('true: `command` is one line for /bin/sh -c.'),
  working_dir: part.path
    .optional()
    .describe('Directory it runs in. Default: that of the file that declares it.'),
  virtualenv: part.path
    .optional()
    .describe('Python environment to activate for it; must exist. Default: none.'),
  environment: part.environment.prefault({}).describe('Variables it gets; they win over every env_file.'),
  env_file: part.envFiles.prefault([]).describe('Files of variables, after those of the fleet.'),
  required_env: part.variableNames
    .default([])
    .describe('Variables that must be set and not empty, or nothing starts.'),
  secrets: part.variableNames.default([]).describe('The secrets that reach it; no other does.'),
  user: part.text.optional().describe('User it runs as; needs root.'),
  limits: limits.prefault({}),
  umask: part
    .expecting(z.string().regex(/^0?[0-7]{3}$/), 'an octal mask such as "022"')
    .optional()
    .describe('File creation mask.'),
  ulimits: part
    .expecting(z.record(z.string(), part.count), 'a map such as { nofile: 4096 }')
    .default({})
    .describe('Limits of each of its processes, e.g. nofile.'),
  stop: stop.prefault({}),
  log: log.prefault({}),
  stop_signal: z.string().optional().describe("Compose's spelling of `stop.signal`."),
  stop_grace_period: z.string().optional().describe("Compose's spelling of `stop.grace`."),
}

export type ProcessInput = z.infer<z.ZodObject<typeof processShape>>

export const moduleShape = {
  kind: part
    .choice(['service', 'task'])
    .default('service')
    .describe('service: runs for ever, any exit is a failure. task: exit 0 completes it.'),
  ...processShape,
  depends_on: part
    .expecting(
      z.record(part.name, dependency),
      'a list of modules, or a map such as { luka: { condition: ready } }',
    )
    .default({})
    .describe('Modules that must be there first, and what of them to wait for.'),
  ready: ready.prefault({}),
  health: health.optional(),
  heartbeat: heartbeat.prefault({}),
  silence: part
    .expecting(z.union([part.positiveDuration, z.literal('off')]), 'a duration such as 10m, or off')
    .default('off')
    .describe('No line in its log for this long is unhealthy; or off.'),
  recover: recover.optional(),
  restart: restart.prefault({}),
  lock: part
    .expecting(z.string().regex(/^[\w.@-]+:[\w.@-]+$/), 'exchange:account such as kraken:main')
    .optional()
    .describe('Trading account, as exchange:account: one live run per account on this host.'),
  backend: part
    .choice(['process', 'systemd', 'supervisord', 'docker', 'swarm', 'kubernetes'])
    .default('process')
    .describe('What runs it. Only `process` works in this version.'),
  preset: part
    .choice(PRESETS)
    .optional()
    .describe('Settings for a known program. What the module says itself wins over them.'),
  healthcheck: z.record(z.string(), z.unknown()).optional().describe("Compose's spelling of `health`."),
}

export const moduleSchema = part.expecting(z.strictObject(moduleShape), 'a map with at least a `command`')
export const defaultsSchema = part.expecting(z.strictObject(moduleShape).partial(), 'a map of module keys')
export type ModuleInput = z.infer<typeof moduleSchema>

/** As a person may write it. */
export const writtenEnvironment = z
  .union([z.array(z.string()), z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))])
  .optional()
  .describe('Variables it gets; they win over every env_file.')

/**
 * The keys as a person may write them, for editors: the short forms are unfolded before the schema above
 * reads.
 */
export const writtenModuleSchema = moduleSchema.extend({
  environment: writtenEnvironment,
  depends_on: z
    .union([z.array(z.string()), moduleShape.depends_on])
    .describe('Modules that must be there first.'),
  ready: z
    .union([z.literal('notify'), ready])
    .optional()
    .describe('When it counts as ready.'),
  restart: z
    .union([z.enum(['always', 'on-failure', 'never', 'no', 'unless-stopped']), restart])
    .optional()
    .describe('What happens after an exit that nobody asked for.'),
})
