/** What a job's texts leave for its run: kept as written where a run fills it in, refused elsewhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, problem } from './fake-load.ts'

/** One job `luka` with these keys, on line 2, after a job `roko` with the output `until`. */
const fleet = (keys: string): string =>
  `jobs:\n  luka: { ${keys} }\n  roko: { command: sleep 1, outputs: [until] }\n`

test('outputs and params stay in arguments and variables, beside what is known now', () => {
  const yaml = fleet(
    'command: [sleep, "${params.PAIR}@${HOME}", "${jobs.roko.outputs.until}"], ' +
      'params: { PAIR: BTC, U: "${jobs.roko.outputs.until}" }, ' +
      'environment: { SYMBOL: "${params.PAIR}", UNTIL: "${NOPE:-${jobs.roko.outputs.until}}" }',
  )
  const luka = load(yaml).jobs?.find(job => job.name === 'luka')
  assert.deepEqual(luka?.start.argv, ['sleep', '${params.PAIR}@/home/ann', '${jobs.roko.outputs.until}'])
  assert.equal(luka.start.environment.SYMBOL, '${params.PAIR}')
  assert.equal(luka.start.environment.UNTIL, '${jobs.roko.outputs.until}')
  assert.deepEqual(luka.params, { PAIR: 'BTC', U: '${jobs.roko.outputs.until}' })
})

test('a line of text is split before anything is filled in', () => {
  const yaml = fleet('command: "sleep ${params.A} b", params: { A: "x y" }')
  assert.deepEqual(load(yaml).jobs?.[0]?.start.argv, ['sleep', '${params.A}', 'b'])
})

const REFUSED: [what: string, keys: string, said: RegExp][] = [
  [
    'a param that is not there',
    'command: [sleep, "${params.PAIRS}"], params: { PAIR: a }',
    /^2:28 it has no param `PAIRS` did you mean `PAIR`/,
  ],
  ['a param where none is', 'command: sleep 1, environment: { A: "${params.B}" }', /^2:47 .*declare it with/],
  [
    'a param within a param',
    'command: sleep 1, params: { A: a, B: "${params.A}" }',
    /^2:48 nothing fills in/,
  ],
  [
    'an output in a path',
    'command: sleep 1, working_dir: "${jobs.roko.outputs.until}"',
    /^2:42 nothing fills/,
  ],
  [
    'a param in a schedule',
    'command: sleep 1, params: { A: a }, every: "${params.A}"',
    /^2:54 .*is not a duration/,
  ],
  ['a param as the program', 'command: ["${params.A}"], params: { A: sleep }', /^2:21 the program must be/],
  [
    'a param as the program of a line',
    'command: "${params.A} 1", params: { A: sleep }',
    /the program must be/,
  ],
  [
    'a param in a line for a shell',
    'command: "sleep ${params.A}", shell: true, params: { A: "1" }',
    /^2:20 a shell would run .*"\$NAME"/,
  ],
  ['a literal that a run would fill in', 'command: [sleep, "$${jobs.roko.outputs.x}"]', /has no output `x`/],
]

for (const [what, keys, said] of REFUSED) {
  test(`refused: ${what}`, () => {
    const { line, column, message, hint } = problem(fleet(keys))
    assert.match(`${line}:${column} ${message} ${hint}`, said)
  })
}

test('a module has neither outputs nor params', () => {
  assert.match(problem('modules: { vida: { command: "sleep ${params.A}" } }').message, /is not a variable/)
})
