/** What `mark check` says of jobs: each fault once, at its place, with what to write instead. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem, refusal, request } from './fake-load.ts'
import { loadConfig, loadFleet } from './load.ts'
import type { Problem } from './problem.ts'

/** One job `luka` with these keys, on line 5, and further jobs below it. */
const fleet = (keys: string, more = ''): string =>
  'timezone: Europe/Berlin\nmodules:\n  vida: { command: sleep 1, silence: 5m }\njobs:\n' +
  `  luka: { command: sleep 1, ${keys} }\n${more}`

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
]

for (const [what, yaml, said] of REFUSED) {
  test(`refused: ${what}`, () => assert.match(shown(problem(yaml)), said))
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
    '  dabi: { command: sleep 1, after: { luka: { on: failure } }, dst: skip }',
    '  hand: { command: sleep 1 }',
  ]
  const { jobs, plan } = loadConfig(request(fleet('schedule: "@daily"', `${more.join('\n')}\n`)))
  const timezone = 'Europe/Berlin'
  assert.deepEqual(jobs, [
    { name: 'luka', schedule: { kind: 'cron', line: '@daily', seconds: false }, timezone, dst: 'vixie' },
    { name: 'roko', schedule: { kind: 'every', everyMs: 90_000 }, timezone: 'UTC', dst: 'vixie' },
    { name: 'dabi', schedule: { kind: 'after', jobs: ['luka'] }, timezone, dst: 'skip' },
    { name: 'hand', schedule: { kind: 'none' }, timezone, dst: 'vixie' },
  ])
  assert.deepEqual(plan.inactive, ['jobs'])
})

test('the reader of cron lines is fetched for a fleet with jobs', async () => {
  const { readCronLine: _, ...given } = request(fleet('schedule: "0 0 30 2 *"'))
  await assert.rejects(loadFleet(given), /never fires/)
})
