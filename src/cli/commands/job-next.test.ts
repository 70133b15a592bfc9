/** `mark job next` as a user calls it: the vectors of the research, in this process, and some by bin/mark. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { callCli } from '../../../test/cli-call.ts'

interface Vector {
  readonly name: string
  readonly zone: string
  readonly line: string
  readonly seconds?: boolean
  readonly from: string
  readonly next: readonly string[]
}

const vectorFile = new URL('../../../test/vectors/job-next.json', import.meta.url)
const all = (JSON.parse(readFileSync(vectorFile, 'utf8')) as { next: Vector[] }).next
const research = all.filter(({ name }) => name.startsWith('research'))
const bin = new URL('../../../bin/mark', import.meta.url).pathname

const dir = mkdtempSync(join(tmpdir(), 'mark-job-next-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const jobs = research.map(
  ({ line, zone, seconds = false }, index) =>
    `  v${index}: { command: [sleep, "1"], schedule: "${line}", timezone: ${zone}, seconds: ${seconds} }`,
)
const others = [
  '  pulse: { command: [sleep, "1"], every: 90s }',
  '  later: { command: [sleep, "1"], after: [pulse] }',
  '  flat: { command: [sleep, "1"], schedule: "50 15 * * *", timezone: America/New_York, when: XNYS }',
]
writeFileSync(join(dir, 'mark.yaml'), `name: sipa\njobs:\n${[...jobs, ...others].join('\n')}\n`)

const mark = (...argv: string[]) => callCli(dir, argv)

const argvOf = ({ from, next }: Vector, index: number): string[] => [
  ...['job', 'next', `v${index}`, '--from', from, '--count', String(next.length), '--json'],
]
const locals = (json: string): string[] =>
  (JSON.parse(json) as { next: { local: string }[] }).next.map(({ local }) => local)

describe('the vectors of the research', () => {
  for (const [index, vector] of research.entries()) {
    test(vector.name, async () => {
      const { status, out } = await mark(...argvOf(vector, index))
      assert.equal(status, 0)
      assert.deepEqual(locals(out), vector.next)
    })
  }
})

test('bin/mark says the same', () => {
  for (const index of [0, 9, 18, 26]) {
    const vector = research[index] as Vector
    const out = execFileSync(bin, argvOf(vector, index), { cwd: dir, encoding: 'utf8' })
    assert.deepEqual(locals(out), vector.next, vector.name)
  }
  const unknown = spawnSync(bin, ['job', 'next', 'nobody'], { cwd: dir, encoding: 'utf8' })
  assert.equal(unknown.status, 4)
})

test('the document has the job, its zone, dst, and instants in UTC and local time', async () => {
  const { out } = await mark('job', 'next', 'v0', '--from', '2026-03-28T12:00:00+01:00', '-n', '1', '--json')
  assert.deepEqual(JSON.parse(out), {
    job: 'v0',
    timezone: 'Europe/Berlin',
    dst: 'vixie',
    next: [
      {
        at: '2026-03-29T01:00:00.000Z',
        local: '2026-03-29T03:00:00+02:00',
        note: 'skipped hour: runs at 03:00',
      },
    ],
  })
})

test('people read a table, with what the job means above it', async () => {
  const { out, err } = await mark('job', 'next', 'v0', '--from', '2026-03-28T12:00:00+01:00', '--around-dst')
  assert.match(err, /v0: 30 2 \* \* \* in Europe\/Berlin, dst vixie/)
  assert.match(
    out,
    /^LOCAL +UTC +NOTE\n2026-03-28T02:30:00\+01:00 .*\n2026-03-29T03:00:00\+02:00 .*at 03:00\n/,
  )
})

test('a job after others has no times of its own, and says so', async () => {
  const { status, out, err } = await mark('job', 'next', 'later')
  assert.deepEqual([status, out], [0, ''])
  assert.match(err, /later: after pulse; it has no times of its own/)
})

test('an unknown job is exit 4 with the nearest name, a time without an offset exit 2', async () => {
  const { status, err } = await mark('job', 'next', 'puls')
  assert.equal(status, 4)
  assert.match(err, /^error\[MARK_NO_SUCH_JOB\]: .*did you mean `pulse`\?$/m)
  assert.equal((await mark('job', 'next', 'pulse', '--from', '2026-03-28')).status, 2)
  assert.equal((await mark('job', 'history', 'pulse')).status, 3)
})

test('a Tab completes jobs', async () => {
  assert.equal((await mark('__complete', '--', 'job', 'next', 'pu')).out, 'pulse\n')
  assert.equal((await mark('__complete', '--', 'job', 'n')).out, 'next\n')
})

test('what `when:` will skip says why: a half day, a holiday, a weekend', async () => {
  const from = ['job', 'next', 'flat', '--from', '2026-12-23T00:00:00Z', '--count', '4']
  const { out } = await mark(...from)
  assert.match(out, /12-24T15:50.*skipped: XNYS is closed at 15:50: open 09:30-13:00 on 2026-12-24/)
  const { next } = JSON.parse((await mark(...from, '--json')).out) as { next: { note: string | null }[] }
  const reasons = next.map(({ note }) => /on 2026-12-\d\d/.exec(note ?? '')?.[0] ?? null)
  assert.deepEqual(reasons, [null, 'on 2026-12-24', 'on 2026-12-25', 'on 2026-12-26'])
})
