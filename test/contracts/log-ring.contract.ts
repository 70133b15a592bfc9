/**
 * What the log ring promises on every file system: cuts while modules write lose, double, tear and reorder
 * nothing, for a reader from the start and for late ones; a kill at any step is recovered from exactly.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import type { LogLine } from '../../src/core/log-line.ts'
import type { LogSpec } from '../../src/core/plan.ts'
import { type Libc, loadLibc } from '../../src/host/libc.ts'
import { archivesOf, type LogArchive } from '../../src/host/log-archive.ts'
import { compressLogs } from '../../src/host/log-compress.ts'
import { type CutStep, cutFront } from '../../src/host/log-cut.ts'
import { logicalSize } from '../../src/host/log-file.ts'
import { ringOf } from '../../src/host/log-probe.ts'
import { followLog, readRange, tailLines } from '../../src/host/log-reader.ts'
import { removeLeftOvers, settleLog } from '../../src/host/log-settle.ts'
import { type Kind, type Mounted, mount, whyNot } from './file-systems.ts'

export const SPEC: LogSpec = {
  maxSizeBytes: 2 * 1024 * 1024,
  keep: 100_000,
  quotaBytes: 1e12,
  reserveBytes: 64 * 1024,
  rotate: 'ring',
  levelPattern: null,
}
const KEEPER = join(import.meta.dirname, 'log-keeper.ts')
const WRITER = join(import.meta.dirname, 'log-writer.ts')
const PAD = 200
const CUT: readonly CutStep[] = ['copied', 'archived', 'marking', 'marked', 'cutting', 'cut', 'settled']
const PUNCH: readonly CutStep[] = ['copied', 'archived', 'settled', 'cut']

export function startKeeper(logs: string, spec: LogSpec, ...more: string[]): ChildProcess {
  const args = [KEEPER, logs, JSON.stringify(spec), ...more]
  return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
}

/** `holdAt`: the line before which it waits for its stdin to end. */
export function startWriter(
  logs: string,
  name: string,
  lines: number,
  { perSecond = 0, holdAt = -1 } = {},
): ChildProcess {
  const args = [WRITER, join(logs, 'vida.log'), name, `${lines}`, `${PAD}`, `${perSecond}`, `${holdAt}`]
  return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
}

export async function outputOf(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout?.on('data', chunk => {
    text += chunk
  })
  await once(child, 'close')
  return text
}

/** Resolves when it has looked for the first time; rejects if it ends instead. */
export async function ready(keeper: ChildProcess): Promise<void> {
  const ended = once(keeper, 'exit').then(([code, signal]) => assert.fail(`it ended with ${code ?? signal}`))
  await Promise.race([once(keeper.stdout as Readable, 'data'), ended])
  ended.catch(() => {})
}

/** Asks the keeper to end once no cut is under way. */
export async function endKeeper(keeper: ChildProcess): Promise<void> {
  const ended = keeper.exitCode === null && keeper.signalCode === null ? once(keeper, 'exit') : null
  keeper.stdin?.end()
  await ended
}

/** Each line's sequence by its writer; throws on one that is lost, torn, doubled or out of order. */
export class Sequences {
  readonly next = new Map<string, number>()
  readonly #late: boolean
  #end: number | null = null

  /** `late`: each writer's first line may be any. */
  constructor(late = false) {
    this.#late = late
  }

  take(lines: readonly LogLine[]): void {
    for (const line of lines) {
      const [name, number, padding] = line.text.split(' ') as [string, string, string]
      const seq = Number(number)
      assert.equal(padding, 'x'.repeat(seq % PAD), `torn at ${line.offset}: ${line.text.slice(0, 80)}`)
      assert.equal(seq, this.next.get(name) ?? (this.#late ? seq : 0), `${name} at ${line.offset}`)
      assert.equal(line.offset, this.#end ?? line.offset)
      this.next.set(name, seq + 1)
      this.#end = line.end
    }
  }
}

/** Follows into `into` until every one of `writers` came to `lines`. */
export function followTo(logs: string, from: number, into: Sequences, writers: number, lines: number) {
  let fail: (error: unknown) => void = () => {}
  let follower: { close(): void } | null = null
  const done = new Promise<void>((resolve, reject) => {
    fail = reject
    follower = followLog(logs, 'vida', from, batch => {
      try {
        into.take(batch)
        if (into.next.size === writers && [...into.next.values()].every(next => next === lines)) resolve()
      } catch (error) {
        reject(error)
      }
    })
  }).finally(() => follower?.close())
  return { done, fail }
}

export function logRingContract(kind: Kind, sizeMb: number): void {
  const skip = loadLibc() === null ? 'koffi cannot be loaded here' : whyNot(kind)
  const options = { skip, timeout: 90_000 }
  let mounted: Mounted
  let count = 0
  const fresh = (): string => {
    const logs = join(mounted.dir, `logs-${++count}`)
    mkdirSync(logs)
    return logs
  }

  before(() => {
    if (!skip) mounted = mount(kind, sizeMb)
  })
  after(() => mounted?.unmount())

  test(`${kind}: every line once, in order, while four write and their log is cut`, options, () =>
    floodIsExact(fresh()),
  )
  test(
    `${kind}: a keeper killed at any step of a cut leaves a log that is read exactly`,
    options,
    async () => {
      for (const step of kind === 'ext4' || kind === 'xfs' ? CUT : PUNCH) await killIsExact(fresh(), step)
    },
  )
  test(`${kind}: a cut keeps offsets, ends archives with a line and leaves the end alone`, options, () =>
    cutIsExact(fresh(), kind),
  )
}

async function floodIsExact(logs: string): Promise<void> {
  const lines = 150_000
  const keeper = startKeeper(logs, SPEC)
  const first = followTo(logs, 0, new Sequences(), 4, lines)
  // However slow the disk: the late reader comes before any writer ends, and there is something left to cut.
  const writers = ['a', 'b', 'c', 'd'].map(name => startWriter(logs, name, lines, { holdAt: lines / 2 }))
  const results = Promise.all(writers.map(outputOf))
  while (archivesOf(logs, 'vida').length === 0) await turn(keeper)
  const [late] = tailLines(logs, 'vida', 1, { complete: true })
  const joined = followTo(logs, late?.offset ?? 0, new Sequences(true), 4, lines)
  for (const writer of writers) writer.stdin?.end()
  await results
  await Promise.all([first.done, joined.done])
  while (archivesOf(logs, 'vida').length < 2) await turn(keeper)
  await endKeeper(keeper)
  while (!compressLogs(logs, Date.now(), 0));
  await followTo(logs, 0, new Sequences(), 4, lines).done
  assert.ok(archivesOf(logs, 'vida').every(({ packed }) => packed))
}

async function killIsExact(logs: string, step: CutStep): Promise<void> {
  const live = join(logs, 'vida.log')
  const text = numbered(200_000)
  appendFileSync(live, text)
  const keeper = startKeeper(logs, SPEC, step)
  await once(keeper, 'exit')
  assert.equal(keeper.signalCode, 'SIGKILL', step)
  appendFileSync(live, 'after\n')
  const whole = `${text}after\n`
  assert.equal(logicalSize(logs, 'vida'), whole.length, `${step}: size`)
  assertSame(readAll(logs), whole, `${step}: with the keeper dead`)
  const origin = settleLog(logs, 'vida')
  removeLeftOvers(logs, 'vida', origin)
  assertSame(readAll(logs), whole, `${step}: settled`)
  const stands = readFileSync(live, 'latin1').slice(origin.kept - origin.base)
  assertSame(stands, whole.slice(origin.kept), `${step}: live file`)
  const next = startKeeper(logs, SPEC)
  while (statSync(live).blocks * 512 > 3 * 1024 * 1024) await turn(next)
  await endKeeper(next)
  assertSame(readAll(logs), whole, `${step}: cut again`)
  rmSync(logs, { recursive: true })
}

async function cutIsExact(logs: string, kind: Kind): Promise<void> {
  const text = numbered(100_000)
  appendFileSync(join(logs, 'vida.log'), text)
  settleLog(logs, 'vida')
  const calls = loadLibc() as Libc
  const mode = await ringOf(logs, calls)
  assert.equal(mode, kind === 'ext4' || kind === 'xfs' ? 'collapse' : 'punch')
  const leaveBytes = 256 * 1024
  const outcome = await cutFront({ logs, module: 'vida', mode, leaveBytes, calls })
  assert.equal(outcome.kind, 'cut')
  const archive = archivesOf(logs, 'vida')[0] as LogArchive
  assert.equal(readFileSync(archive.path, 'latin1').at(-1), '\n')
  assert.ok(logicalSize(logs, 'vida') - archive.end <= leaveBytes + 64 * 1024)
  assertSame(readAll(logs), text, 'whole')
  const blocks = statSync(join(logs, 'vida.log')).blocks * 512
  assert.ok(blocks < 1024 * 1024, `${blocks} bytes are still taken`)
}

/** A pause between two looks at what the keeper did; rejects if it ended. */
function turn(child: ChildProcess): Promise<unknown> {
  assert.equal(child.exitCode, null, 'the keeper ended')
  return new Promise(resolve => setTimeout(resolve, 20))
}

export function numbered(lines: number): string {
  return Array.from({ length: lines }, (_, n) => `line ${n} ${'y'.repeat(n % 40)}\n`).join('')
}

/** Every line that is still kept. */
export function everyLine(logs: string): LogLine[] {
  return tailLines(logs, 'vida', Number.MAX_SAFE_INTEGER)
}

export function readAll(logs: string): string {
  return readRange(logs, 'vida', 0, Number.MAX_SAFE_INTEGER, 1 << 28).toString('latin1')
}

function assertSame(got: string, wanted: string, what: string): void {
  if (got === wanted) return
  let at = 0
  while (got[at] === wanted[at]) at++
  assert.fail(
    `${what}: ${got.length} bytes for ${wanted.length}, other from ${at}: ${got.slice(at, at + 60)}`,
  )
}
