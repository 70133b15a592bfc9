/**
 * A storm on the log ring of a real fleet: four modules flood their logs, which are cut all the time, while
 * the keeper is killed again and again. Readers from the start and late ones get every line once, in order.
 * How fast MARK answers meanwhile and how much memory it takes is told, never judged: hosts differ. A long
 * run at full speed: MARK_STORM_MINUTES=10 MARK_STORM_KILLS=50, alone on the host. Also MARK_STORM_SEED, and
 * MARK_STORM_RATE: lines a second of each writer, 0 for all it can.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { loadLibc } from '../../src/host/libc.ts'
import { KeeperClient } from '../../src/host/line-socket.ts'
import { logicalSize } from '../../src/host/log-file.ts'
import { followLog, tailLines } from '../../src/host/log-reader.ts'
import { chanceFrom } from '../chaos/schedule.ts'
import { Sequences } from '../contracts/log-ring.contract.ts'
import { Fleet, until } from './fleet.ts'

const MINUTES = Number(process.env.MARK_STORM_MINUTES ?? 0.3)
const KILLS = Number(process.env.MARK_STORM_KILLS ?? Math.max(4, Math.round(5 * MINUTES)))
/** A short run has other tests beside it, which a flood would starve. */
const RATE = Number(process.env.MARK_STORM_RATE ?? (MINUTES < 1 ? 10_000 : 0))
const SEED = Number(process.env.MARK_STORM_SEED ?? Date.now() % 1e9)
const STORM_MS = MINUTES * 60_000
const LOOK_MS = 500
const WEIGH_EVERY_MS = Math.min(10_000, STORM_MS / 8)
const CUTS_MIN = 10
const CATCH_UP_MS = 150_000
const NAMES = ['a', 'b', 'c', 'd']
/**
 * Eight readers that check every line cost more than four writers: where cores are few they fall behind.
 * What is kept must bound the disk of a long run, and a reader behind all of it would rightly miss lines: the
 * writers wait before that, and what is promised is checked in full.
 */
const BEHIND_MAX_BYTES = 64 * 1024 * 1024
const LOG = '{ max_size: 1M, keep: 300, quota: 1G }'
const writer = (name: string): string =>
  `  ${name}: { command: [${process.execPath}, writer.mjs, ${name}, "${RATE}"], log: ${LOG} }`
const CONFIG = `defaults: { ready: { delay: 20ms }, stop: { grace: 30s } }
modules:\n${NAMES.map(writer).join('\n')}\n`

/** Lines as `Sequences` knows them, one write each. Its turns of the loop are for SIGTERM alone. */
const WRITER = `import { existsSync, writeFileSync, writeSync } from 'node:fs'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
const [name, rate] = [process.argv[2], Number(process.argv[3])]
const began = performance.now()
let [written, failed, isAsked] = [0, 0, false]
process.on('SIGTERM', () => { isAsked = true })
while (!isAsked) {
  for (let i = 0; i < 100; i++) {
    const line = Buffer.from(\`\${name} \${written} \${'x'.repeat(written % 200)}\\n\`)
    try {
      if (writeSync(1, line) === line.length) written++
      else failed++
    } catch { failed++ }
  }
  const aheadMs = rate === 0 ? 0 : (written / rate) * 1000 - (performance.now() - began)
  if (aheadMs > 5) await pause(aheadMs)
  else await turn()
  while (existsSync('brake') && !isAsked) await pause(20)
}
writeFileSync(name + '.count', JSON.stringify({ written, failed }))
process.exit(0)
`

/** What the readers of one thread tell: next sequence and logical end by module. */
interface Progress {
  next: Readonly<Record<string, number>>
  end: Readonly<Record<string, number>>
  wrong: string | null
}

/** In a thread of its own, so that what MARK takes to answer is not the readers' time. */
function read({ logs, isLate }: { logs: string; isLate: boolean }): void {
  const next: Record<string, number> = {}
  const end: Record<string, number> = {}
  let wrong: string | null = null
  for (const name of NAMES) {
    const got = new Sequences(isLate)
    const from = isLate ? (tailLines(logs, name, 1, { complete: true })[0]?.offset ?? 0) : 0
    followLog(logs, name, from, lines => {
      try {
        got.take(lines)
        next[name] = got.next.get(name) as number
        end[name] = lines.at(-1)?.end as number
      } catch (error) {
        wrong ??= `${isLate ? 'late' : 'first'}: ${(error as Error).message}`
      }
    })
  }
  setInterval(() => parentPort?.postMessage({ next, end, wrong }), 100)
}

class Storm {
  readonly fleet = new Fleet(CONFIG, NAMES)
  readonly began = performance.now()
  readonly threads: Worker[] = []
  readonly progress: Progress[] = []
  /** From a kill until the successor serves: what is asked then is told apart. */
  readonly kills: { readonly fromMs: number; toMs: number }[] = []
  readonly took = { state: [] as number[], status: [] as number[], amid: [] as number[] }
  readonly faults: string[] = []
  readonly weights = { keeper: [] as [pid: number, mb: number][], daemon: [] as [pid: number, mb: number][] }
  readonly archives = new Set<string>()
  readonly #logs = join(this.fleet.stateDir, 'logs')
  heldMs = 0
  isOver = false

  read(isLate: boolean): void {
    const progress: Progress = { next: {}, end: {}, wrong: null }
    const thread = new Worker(new URL(import.meta.url), {
      execArgv: [],
      workerData: { logs: this.#logs, isLate },
    })
    thread.on('message', told => Object.assign(progress, told))
    thread.on('error', error => Object.assign(progress, { wrong: String(error) }))
    this.threads.push(thread)
    this.progress.push(progress)
  }

  async strike(): Promise<void> {
    const chance = chanceFrom(SEED)
    const moments = Array.from({ length: KILLS }, () => chance() * STORM_MS).sort((a, b) => a - b)
    for (const moment of moments) {
      await pause(Math.max(0, this.began + moment - performance.now()))
      if (this.isOver) return
      const keeper = await until('a keeper serves and its successor waits', 30_000, () => {
        const look = this.fleet.look()
        return look.keeperServes && look.waiting.length > 0 && look.keeper
      })
      const kill = { fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY }
      this.kills.push(kill)
      process.kill(keeper.pid, 'SIGKILL')
      await until('a successor serves', 30_000, () => {
        const look = this.fleet.look()
        return look.keeperServes && look.keeper?.pid !== keeper.pid
      })
      kill.toMs = performance.now()
    }
    await pause(Math.max(0, this.began + STORM_MS - performance.now()))
    await until('it was cut often', 60_000, () => this.isOver || this.archives.size > CUTS_MIN)
    this.isOver = true
  }

  async ask(): Promise<void> {
    const { state, status } = this.took
    const socket = join(this.fleet.stateDir, 'run', 'keeper.sock')
    await Promise.all([
      this.#asking(status, () => this.fleet.expect(0, 'status', '--json')),
      this.#asking(state, async () => {
        const client = await KeeperClient.connect(socket, 10_000)
        await client.ask({ ask: 'state' }).finally(() => client.close())
      }),
    ])
  }

  async #asking(into: number[], ask: () => Promise<unknown>): Promise<void> {
    for (; !this.isOver; await pause(LOOK_MS)) await this.#time(into, ask)
  }

  async #time(into: number[], ask: () => Promise<unknown>): Promise<void> {
    const fromMs = performance.now()
    const fault = await ask().then(() => null, String)
    const toMs = performance.now()
    const isAmid = this.kills.some(kill => kill.fromMs < toMs && fromMs < kill.toMs)
    if (fault !== null && !isAmid) this.faults.push(fault.slice(0, 400))
    const times = isAmid ? this.took.amid : into
    times.push(toMs - fromMs)
  }

  /** Counts archives before they go, lets readers join, keeps writers from running away, weighs MARK. */
  async watch(): Promise<void> {
    for (let weighMs = 0; !this.isOver; await pause(LOOK_MS)) {
      assert.deepEqual(
        this.progress.filter(({ wrong }) => wrong !== null),
        [],
      )
      const tookMs = performance.now() - this.began
      if (this.threads.length === 1 && tookMs > STORM_MS / 2) this.read(true)
      this.#brake()
      for (const path of readdirSync(this.#logs, { recursive: true, encoding: 'utf8' })) {
        const archive = /^.+\/\d+\.log/.exec(path)
        if (archive) this.archives.add(archive[0])
      }
      if (tookMs < weighMs) continue
      weighMs = tookMs + WEIGH_EVERY_MS
      const { keeper, daemon } = this.fleet.look()
      if (keeper) this.weights.keeper.push([keeper.pid, rssMb(keeper.pid)])
      if (daemon) this.weights.daemon.push([daemon.pid, rssMb(daemon.pid)])
    }
  }

  #brake(): void {
    const isFar = this.progress.some(({ end }) =>
      NAMES.some(name => logicalSize(this.#logs, name) - (end[name] ?? 0) > BEHIND_MAX_BYTES),
    )
    if (isFar) this.fleet.write('brake', '')
    else rmSync(join(this.fleet.dir, 'brake'), { force: true })
    if (isFar) this.heldMs += LOOK_MS
  }

  tells(lines: readonly number[]): string {
    const { state, status, amid } = this.took
    const daemon = this.weights.daemon.map(([, mb]) => mb)
    const tenth = Math.ceil(daemon.length / 10)
    const grown = part(daemon.slice(-tenth), 0.5) - part(daemon.slice(tenth, 2 * tenth), 0.5)
    const lives = [...Map.groupBy(this.weights.keeper, ([pid]) => pid).values()]
    const keepers = lives.map(life => `${life[0]?.[1]}-${life.at(-1)?.[1]}`)
    return [
      `seed ${SEED}, ${this.kills.length} kills, ${this.archives.size} cuts, lines ${lines.join(' + ')}`,
      `writers held for ${this.heldMs} ms`,
      `p50 / p99 / worst: state ${spread(state)}, status ${spread(status)}, across a kill ${spread(amid)}`,
      `RSS of the daemon ${daemon[0]} to ${daemon.at(-1)} MB, last tenth - second tenth ${grown}`,
      `of the keepers, first-last ${keepers.join(' ')}`,
    ].join('; ')
  }
}

/** 0: it was killed meanwhile. */
function rssMb(pid: number): number {
  const path = `/proc/${pid}/status`
  const text = existsSync(path) ? readFileSync(path, 'latin1') : ''
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024)
}

function part(values: readonly number[], of: number): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * of)] ?? 0)
}

function spread(ms: readonly number[]): string {
  return `${part(ms, 0.5)} / ${part(ms, 0.99)} / ${part(ms, 1)} ms (of ${ms.length})`
}

function storms(): void {
  const skip = loadLibc() === null ? 'koffi cannot be loaded here' : false
  test('no line is lost, torn, doubled or moved while four modules flood and the keeper is killed', {
    skip,
  }, async t => {
    const storm = new Storm()
    const { fleet } = storm
    try {
      t.diagnostic(`seed ${SEED}`)
      fleet.write('writer.mjs', WRITER)
      await fleet.up()
      const pids = fleet.pids()
      storm.read(false)
      await Promise.all([storm.strike(), storm.ask(), storm.watch()])
      assert.deepEqual(fleet.pids(), pids)
      await fleet.expect(0, 'stop', ...NAMES)
      const ends = NAMES.map(name => JSON.parse(fleet.read(`${name}.count`)))
      const lines = ends.map(({ written }) => written as number)
      t.diagnostic(storm.tells(lines))
      await until('all is read', CATCH_UP_MS, () => {
        assert.deepEqual(
          storm.progress.filter(({ wrong }) => wrong !== null),
          [],
        )
        return storm.progress.every(({ next }) => NAMES.every((name, at) => next[name] === lines[at]))
      })
      assert.deepEqual([storm.progress.length, storm.faults], [2, []])
      assert.deepEqual(
        ends.map(({ failed }) => failed),
        [0, 0, 0, 0],
      )
      assert.deepEqual(fleet.events('log_dropped'), [])
    } finally {
      storm.isOver = true
      await Promise.all(storm.threads.map(thread => thread.terminate()))
      fleet.end()
    }
  })
}

if (isMainThread) storms()
else read(workerData)
