/** What jobs of mark.yaml become; and each fault once, at its place, with what to write instead. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import { ENV, load, problem, refusal, request } from './fake-load.ts'
import { loadConfig, loadFleet } from './load.ts'
import type { Problem } from './problem.ts'

/** One job `luka` with these keys, on line 5, and further jobs below it. */
const fleet = (keys: string, more = ''): string =>
  'timezone: Europe/Berlin\nmodules:\n  vida: { command: sleep 1, silence: 5m }\njobs:\n' +
  `  luka: { command: sleep 1, ${keys} }\n${more}`

const jobsOf = (yaml: string): readonly JobPlan[] => load(yaml).jobs ?? []

const jobOf = (yaml: string): JobPlan => jobsOf(yaml)[0] as JobPlan

const shown = ({ line, column, message, hint }: Problem): string => `${line}:${column} ${message} | ${hint}`

const REFUSED: [what: string, yaml: string, said: RegExp][] = [
  ['a schedule that never fires', fleet('schedule: "0 0 30 2 *"'), /^5:39 this never fires/],
  ['a range that wraps', fleet('schedule: "0 22-2 * * *"'), /^5:39 .*22-23,0-2/],
  ['a step on a number', fleet('schedule: "5/15 * * * *"'), /^5:39 .*5-59\/15/],
  ['seconds not asked for', fleet('schedule: "0 0 2 * * *"'), /^5:39 .*seconds: true/],
  ['a zone that is none', fleet('schedule: "@daily", timezone: Berlin'), /^5:59 "Berlin" is not a time zone/],
  ['two answers to when', fleet('schedule: "@daily", every: 5m'), /^5:49 `schedule` and `every` both say/],
  ['seconds without a line', fleet('every: 5m, seconds: true'), /^5:40 `seconds` belongs to a cron line/],
  ['a moment without an offset', fleet('at: "2026-03-29 14:30"'), /^5:33 .*RFC 3339/],
  ['a day that is not in the calendar', fleet('at: "2026-02-30T14:30:00Z"'), /^5:33 .*RFC 3339/],
  [
    'a job that is not there',
    fleet('after: [roco]', '  roko: { command: sleep 1 }\n'),
    /^5:37 .*`roco`.*roko/,
  ],
  ['a module as a job', fleet('after: [vida]'), /^5:37 .*that is a module/],
  ['a job after itself', fleet('after: [luka]'), /^5:37 .*after itself/],
  [
    'jobs in a circle',
    fleet('after: { roko: {} }', '  roko: { command: sleep 1, after: [luka] }\n'),
    /^5:38 .*luka -> roko -> luka/,
  ],
  ['an output of no job', fleet('params: { A: "${jobs.roko.outputs.x}" }'), /^5:42 there is no job `roko`/],
  [
    'an output that is not declared',
    fleet('params: { A: "${jobs.roko.outputs.untill}" }', '  roko: { command: sleep 1, outputs: [until] }\n'),
    /^5:42 .*no output `untill`.*`until`/,
  ],
  ['no output at all', fleet('params: { A: "${jobs.luka.until}" }'), /^5:42 .*is no output of a job/],
  ['jitter as long as the distance', fleet('every: 5m, jitter: 5m'), /^5:48 .*less than 5m/],
  ['jitter beyond the next run', fleet('schedule: "0,50 * * * *", jitter: 10m'), /^5:63 .*less than 10m/],
  ['jitter past the deadline', fleet('every: 1h, deadline: 5m, jitter: 5m'), /^5:62 .*reaches the deadline/],
  ['after no job', fleet('after: []'), /^5:29 `after` names no job/],
  [
    'a job named twice',
    fleet('after: [roko, roko]', '  roko: { command: sleep 1 }\n'),
    /^5:43 `roko` is named twice/,
  ],
  ['join without after', fleet('join: any'), /^5:29 `join` says how.*add `after:`/],
  ['a deadline by hand', fleet('deadline: 5m'), /^5:29 `deadline` .*runs by hand/],
  [
    'missed instants of a job after others',
    fleet('after: [roko], missed: ask', '  roko: { command: sleep 1 }\n'),
    /^5:44 `missed` .*runs after others/,
  ],
  ['jitter by hand', fleet('jitter: 5s'), /^5:29 `jitter` .*add `schedule:`/],
  ['what a kill for memory does', fleet('limits: { on_memory: hold }'), /^5:39 .*neither restarted nor held/],
  ['a pool that is not there', fleet('pool: exchnge', 'pools: { exchange: 2 }\n'), /^5:35 .*`exchange`\?/],
  ['a pool where none is', fleet('pool: exchange'), /^5:35 .*declare it: `pools: { exchange: 2 }`/],
  ['a run shorter than an attempt', fleet('timeout: { run: 5m, attempt: 10m }'), /^5:45 run 5m is less than/],
  [
    'a run shorter than the waits between its attempts',
    fleet('timeout: { run: 30s }, retry: { limit: 2 }'),
    /^5:45 the last attempt can never start.*take 30s/,
  ],
  [
    'a run shorter than very many waits',
    fleet('timeout: { run: 1h }, retry: { limit: 900000000000, delay: 1s, multiplier: 1 }'),
    /^5:45 the last attempt can never start/,
  ],
  ['max_delay below delay', fleet('retry: { limit: 1, max_delay: 5s }'), /^5:59 max_delay 5s is less than/],
  [
    'a retry after success',
    fleet('retry: { limit: 1, on_exit: [0] }'),
    /^5:58 0 is not an exit code from 1 to 255/,
  ],
  [
    'a retry after nothing',
    fleet('retry: { limit: 1, on_exit: [] }'),
    /^5:57 a list is not any, or a list of exit/,
  ],
  ['an output that is no variable', fleet('outputs: [data-until]'), /^5:39 "data-until" is not the name of/],
  ['no time of day', fleet('finish_by: "25:00"'), /^5:40 "25:00" is not a time of day.*15:25/],
  ['a number as a time of day', fleet('finish_by: 1525'), /^5:40 1525 is not a time of day such as/],
  ['a time of day with seconds', fleet('finish_by: "15:25:00"'), /^5:40 .*is not a time of day/],
  ['a time of day nowhere', fleet('finish_by: "15:25 New_York"'), /^5:40 "New_York" is not a time zone/],
  ['a param that MARK sets', fleet('params: { MARK_RUN: 1 }'), /^5:39 `MARK_RUN` is set by MARK/],
  ['a param that is a word of the fleet', fleet('params: { MODE: REAL }'), /^5:39 `MODE` is set by MARK/],
  [
    'a param that is a variable too',
    fleet('environment: { A: 1 }, params: { A: 2 }'),
    /^5:62 `A` stands under `environment` too/,
  ],
  [
    'a param that is a secret too',
    fleet('secrets: [A], params: { A: 2 }', 'secrets: { A: { file: a } }\n'),
    /^5:53 `A` is a secret of this job too/,
  ],
  ['a user without root', fleet('user: ann'), /^5:35 running as another user needs root/],
  ['a secret that is not there', fleet('secrets: [API]'), /^5:39 there is no secret `API`/],
  ['a directory that is not there', fleet('working_dir: no'), /^5:42 the directory .*does not exist/],
  ['a hook that is not there', fleet('stop: { before: [no] }'), /^5:45 the program `no` is not found/],
  ['a virtualenv that is not there', fleet('virtualenv: env'), /^5:41 the virtualenv .*does not exist/],
  ['an env file that is not there', fleet('env_file: no.env'), /^5:29 .*no\.env/],
  ['a variable that is required', fleet('required_env: [NOPE]'), /^5:44 NOPE is required and not set/],
  ['a limit that Linux does not know', fleet('ulimits: { nofiles: 4 }'), /^5:40 .*did you mean `nofile`/],
]

test('refused: a job with nothing to run', () => {
  const said = /^5:3 `command` is missing/
  assert.match(
    shown(problem(`timezone: UTC\nmodules:\n  vida: { command: sleep 1 }\njobs:\n  luka:\n`)),
    said,
  )
})

test('refused with a hint: what only a module can say', () => {
  for (const [keys, hint] of [
    ['restart: never', /retry: { limit: 2 }/],
    ['depends_on: [vida]', /write `after` for jobs/],
    ['ready: notify', /done when it ends/],
    ['health: { tcp: 80 }', /judged by its exit/],
    ['healthcheck: { test: [CMD, sleep, "1"] }', /judged by its exit/],
    ['heartbeat: off', /judged by its exit/],
    ['silence: 5m', /judged by its exit/],
    ['watchdog: 5s', /judged by its exit/],
    ['recover: { command: sleep 1 }', /`on: failure`/],
    ['lock: "kraken:main"', /no `lock`/],
    ['kind: task', /is a task, always/],
    ['backend: docker', /a process of this host/],
    ['preset: freqtrade', /are for modules/],
    ['cron: "@daily"', /write `schedule:/],
    ['constructor: 1', /known here/],
    ['timezon: UTC', /did you mean `timezone`/],
  ] as const) {
    assert.match(shown(problem(fleet(keys))), new RegExp(`^5:29 .*is not a key of .*${hint.source}`), keys)
  }
})

for (const [what, yaml, said] of REFUSED) {
  test(`refused: ${what}`, () => assert.match(shown(problem(yaml, { uid: 1000 })), said))
}

test('the faults of several jobs are said at once', () => {
  const yaml = fleet('schedule: "0 0 31 2 *"', '  roko: { command: sleep 1, schedule: "61 * * * *" }\n')
  assert.deepEqual(
    refusal(yaml).problems.map(({ line }) => line),
    [5, 6],
  )
})

const WARNED: [what: string, keys: string, said: RegExp | null][] = [
  ['a fixed time in a gap', 'schedule: "30 2 * * *"', /^5:39 .*Europe\/Berlin has no 02:30.*runs at 03:00/],
  ['a fixed time in a gap, shifted', 'schedule: "30 2 * * *", dst: shift', /runs at 03:30 then/],
  ['a fixed time in a gap, skipped', 'schedule: "30 2 * * *", dst: skip', /does not run then/],
  [
    'a step that is no distance',
    'schedule: "*/7 * * * *"',
    /^5:39 `\*\/7` is not every 7 minutes.*every: 7m/,
  ],
  ['real time in a gap', 'schedule: "*/15 * * * *"', null],
  ['a fixed time elsewhere', 'schedule: "30 4 * * *"', null],
  ['a zone without changes', 'schedule: "30 2 * * *", timezone: UTC', null],
  ['less jitter than distance', 'schedule: "0,50 * * * *", jitter: 9m', null],
  ['dst without a cron line', 'every: 5m, dst: skip', /^5:40 `dst` changes nothing/],
  ['retry without a limit', 'retry: { delay: 5s }', /^5:29 nothing is tried again.*limit: 2/],
  ['retry with a limit of 0', 'retry: { limit: 0, delay: 5s }', null],
  ['a run that leaves room', 'timeout: { run: 31s }, retry: { limit: 2 }', null],
  ['a param like a secret', 'params: { API_KEY: abc }', /^5:39 it looks like a secret.*`params`/],
  ['a pool without a job', 'every: 5m }\npools: { exchange: 2', /^6:10 no job is in the pool `exchange`/],
]

for (const [what, keys, said] of WARNED) {
  test(`${said ? 'warned' : 'silent'}: ${what}`, () => {
    const { warnings } = loadConfig(request(fleet(keys)))
    assert.equal(warnings.length, said ? 1 : 0, warnings.map(shown).join('\n'))
    if (said) assert.match(shown(warnings[0] as Problem), said)
  })
}

test('what is resolved: the schedule, the zone of the job or of the fleet, and dst', () => {
  const more = [
    '  roko: { command: sleep 1, every: 90s, timezone: UTC }',
    '  dabi: { command: sleep 1, after: { luka: { on: failure } } }',
    '  hand: { command: sleep 1 }',
  ]
  const jobs = jobsOf(fleet('schedule: "@daily", dst: skip', `${more.join('\n')}\n`))
  const timezone = 'Europe/Berlin'
  assert.deepEqual(
    jobs.map(({ name, schedule, timezone, dst }) => ({ name, schedule, timezone, dst })),
    [
      { name: 'luka', schedule: { kind: 'cron', line: '@daily', seconds: false }, timezone, dst: 'skip' },
      { name: 'roko', schedule: { kind: 'every', everyMs: 90_000 }, timezone: 'UTC', dst: 'vixie' },
      { name: 'dabi', schedule: { kind: 'after', jobs: ['luka'] }, timezone, dst: 'vixie' },
      { name: 'hand', schedule: { kind: 'none' }, timezone, dst: 'vixie' },
    ],
  )
})

test('a job that says only what it runs gets every default', () => {
  const { start, schedule: _schedule, ...policies } = jobOf(fleet(''))
  assert.deepEqual(policies, {
    name: 'luka',
    timezone: 'Europe/Berlin',
    dst: 'vixie',
    overlap: 'skip',
    missed: { kind: 'latest' },
    deadlineMs: null,
    timeout: { attemptMs: null, runMs: null },
    retry: { limit: 0, delayMs: 10_000, multiplier: 2, maxDelayMs: null, onExit: 'any' },
    jitterMs: 0,
    pool: null,
    when: null,
    after: null,
    finishBy: null,
    params: {},
    outputs: [],
  })
  const { policy, budget } = start.restart
  assert.deepEqual([start.name, start.kind, start.argv], ['luka', 'task', ['sleep', '1']])
  assert.deepEqual([start.ready, start.health, start.dependsOn], [{ kind: 'delay', delayMs: 0 }, null, []])
  assert.deepEqual([start.watchdogMs, start.heartbeat, start.silenceMs], [null, null, null])
  assert.deepEqual([start.recover, start.lock, start.preset, policy, budget], [null, null, null, 'never', []])
})

test('a module and a job that say the same are started alike', () => {
  const keys = [
    'command: [./run.sh, x], working_dir: sub, environment: [A=1], env_file: own.env',
    'secrets: [K], user: ann, limits: { memory: 1G }',
    'ulimits: { nofile: 9 }, umask: 022, stop_signal: INT, stop: { grace: 1s }',
    'log: { keep: 2 }, required_env: [A, B], virtualenv: env',
  ].join(', ')
  const yaml = `secrets: { K: { file: k } }\nmodules: { vida: { ${keys} } }\njobs: { luka: { ${keys} } }\n`
  const extra = {
    '/srv/sipa/run.sh': '',
    '/srv/sipa/sub/x': '',
    '/srv/sipa/own.env': 'B=2',
    '/srv/sipa/env/bin/python': '',
  }
  const plan = load(yaml, { extra })
  const [module, job] = [plan.modules[0], plan.jobs?.[0]?.start]
  assert.deepEqual(job?.argv, ['/srv/sipa/run.sh', 'x'])
  assert.equal(job.environment.VIRTUAL_ENV, '/srv/sipa/env')
  const differ = new Set(['name', 'kind', 'restart', 'ready', 'watchdogMs', 'heartbeat'])
  for (const [key, value] of Object.entries(module ?? {}))
    if (!differ.has(key)) assert.deepEqual(job[key as keyof typeof job], value, key)
})

test('what is resolved: every policy that a job can state', () => {
  const job = jobOf(
    fleet(
      [
        'schedule: "@daily", overlap: cancel_previous, missed: { all: { max: 3, window: 2h } }, deadline: 5m',
        'timeout: { attempt: 1m, run: 10m }, retry: { limit: 2, delay: 1s, max_delay: 3s, on_exit: [1, 75] }',
        'jitter: 5s, pool: exchange, finish_by: "15:25 America/New_York", params: { PAIR: BTC/EUR, N: 007 }',
        'outputs: [until, until]',
      ].join(', '),
      'pools: { exchange: 2 }\n',
    ),
  )
  assert.equal(job.overlap, 'cancel_previous')
  assert.deepEqual(job.missed, { kind: 'all', max: 3, windowMs: 7_200_000 })
  assert.equal(job.deadlineMs, 300_000)
  assert.deepEqual(job.timeout, { attemptMs: 60_000, runMs: 600_000 })
  assert.deepEqual(job.retry, { limit: 2, delayMs: 1000, multiplier: 2, maxDelayMs: 3000, onExit: [1, 75] })
  assert.deepEqual([job.jitterMs, job.pool], [5000, 'exchange'])
  assert.deepEqual(job.finishBy, { minute: 925, timezone: 'America/New_York' })
  assert.deepEqual(job.params, { PAIR: 'BTC/EUR', N: '007' })
  assert.deepEqual(job.outputs, ['until'])
})

test('the short forms: missed as a word, finish_by in the zone of the job', () => {
  const all = jobOf(fleet('every: 5m, missed: all, finish_by: "0:05", timezone: Asia/Tokyo'))
  assert.deepEqual(all.missed, { kind: 'all', max: null, windowMs: null })
  assert.deepEqual(all.finishBy, { minute: 5, timezone: 'Asia/Tokyo' })
  assert.deepEqual(jobOf(fleet('every: 5m, missed: ask')).missed, { kind: 'ask' })
  assert.deepEqual(jobOf(fleet('finish_by: 15:25')).finishBy, { minute: 925, timezone: 'Europe/Berlin' })
})

test('jobs stand after those they run after, and after is a list or says more', () => {
  const more = [
    '  dabi: { command: sleep 1, after: { hand: { on: any, delay: 5m }, roko: }, join: none_failed }',
    '  roko: { command: sleep 1, after: [hand] }',
    '  hand: { command: sleep 1 }',
  ]
  const jobs = jobsOf(fleet('after: [dabi]', `${more.join('\n')}\n`))
  assert.deepEqual(
    jobs.map(({ name }) => name),
    ['hand', 'roko', 'dabi', 'luka'],
  )
  assert.deepEqual(jobs[1]?.after, {
    join: 'all',
    upstream: [{ job: 'hand', on: 'success', delayMs: 0 }],
  })
  assert.deepEqual(jobs[2]?.after, {
    join: 'none_failed',
    upstream: [
      { job: 'hand', on: 'any', delayMs: 300_000 },
      { job: 'roko', on: 'success', delayMs: 0 },
    ],
  })
})

test('the plan holds jobs and pools, survives JSON, and calls neither inactive', () => {
  const plan = load(fleet('every: 5m, pool: exchange, params: { A: "1" }', 'pools: { exchange: 2 }\n'))
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
  assert.deepEqual(plan.pools, { exchange: 2 })
  assert.deepEqual(plan.inactive, [])
  const { jobs, pools } = load('modules: { vida: { command: sleep 1 } }')
  assert.deepEqual([jobs, pools], [[], {}])
})

test('a fleet of jobs alone loads', () => {
  const plan = load('jobs: { luka: { command: sleep 1, every: 5m } }')
  assert.deepEqual([plan.modules.length, plan.jobs?.length], [0, 1])
})

test('a secret that only a job lists reaches somebody', () => {
  const env = { ...ENV, K: 'hush' }
  const { warnings } = loadConfig(request(fleet('secrets: [K]', 'secrets: { K: { env: K } }\n'), { env }))
  assert.deepEqual(warnings.map(shown), [
    '6:12 K will be kept in .mark/secrets.env (0600) | use `file:` or `credential:` to keep it elsewhere',
  ])
})

test('the reader of cron lines is fetched for a fleet with jobs', async () => {
  const { readCronLine: _, ...given } = request(fleet('schedule: "0 0 30 2 *"'))
  await assert.rejects(loadFleet(given), /never fires/)
})
