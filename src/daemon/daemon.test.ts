import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LINE_MAX_BYTES, parseRequest, type Request } from '../contract/keeper.ts'
import type { ModuleSpec } from '../core/plan.ts'
import type { ModuleView, StatusDocument } from '../core/view.ts'
import { askDaemon } from '../host/daemon-client.ts'
import { Journal } from '../host/journal.ts'
import { type Connection, listenLines, type Server } from '../host/line-socket.ts'
import { makeStateDir } from '../host/make-state-dir.ts'
import { readExitEvidence } from '../host/run-records.ts'
import { type StateDir, stateDirAt } from '../host/state-dir.ts'

const RUN = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
const MAIN = join(import.meta.dirname, 'main.ts')

/** A keeper that answers what it is told to and remembers what it was asked. */
class FakeKeeper {
  readonly asked: Request[] = []
  readonly state: StateDir
  view: ModuleView
  spec: ModuleSpec
  #server: Server | null = null
  #connection: Connection | null = null

  constructor(state: StateDir, view: ModuleView, spec: ModuleSpec) {
    this.state = state
    this.view = view
    this.spec = spec
  }

  async listen(): Promise<void> {
    const onConnection = (connection: Connection): void => {
      this.#connection = connection
      connection.onLine(line => {
        const request = parseRequest(line)
        this.asked.push(request)
        connection.send({ id: request.id, ok: true, value: this.#answer(request) })
      })
    }
    this.#server = await listenLines(this.state.keeperSocket, {
      mode: 0o600,
      maxLineBytes: LINE_MAX_BYTES,
      onConnection,
    })
  }

  push(value: unknown): void {
    this.#connection?.send(value)
  }

  async die(): Promise<void> {
    await this.#server?.close()
  }

  saw(ask: string): Request[] {
    return this.asked.filter(request => request.ask === ask)
  }

  #answer(request: Request): unknown {
    if (request.ask === 'plan') {
      return {
        plan: {
          fleet: 'sipa',
          root: '/',
          modules: [this.spec],
          secrets: {},
          fleetEnvFiles: [],
          retention: { eventsMs: 1e10 },
        },
      }
    }
    if (request.ask === 'watch' || request.ask === 'state') {
      const keeper = { pid: 1, version: '0', started_at: new Date().toISOString() }
      const head = {
        fleet: 'sipa',
        state: 'up',
        session_id: 'S',
        kills: [],
        keeper,
        daemon: null,
        jobs: [],
        degraded: [],
      }
      return { ...head, modules: [this.view] } as unknown as StatusDocument
    }
    return {}
  }
}

interface Bench {
  readonly state: StateDir
  readonly keeper: FakeKeeper
  readonly child: ChildProcess
  readonly daemon: ChildProcess
  /** The module's own http address answers once this is called. */
  openUp(): Promise<void>
}

async function withDaemon(work: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'mark-d-'))
  const state = stateDirAt(join(dir, '.mark'), dir)
  makeStateDir(state)
  symlinkSync(dir, state.runLink)
  const child = spawn('sh', ['-c', 'sleep 0.1; while :; do sleep 0.1; done'], { stdio: 'ignore' })
  const web = createServer((_request, response) => response.end('ok'))
  const port = await new Promise<number>(resolve => {
    web.listen(0, '127.0.0.1', () => resolve((web.address() as AddressInfo).port))
  })
  await new Promise(resolve => web.close(resolve))
  const ready = { kind: 'http', url: `http://127.0.0.1:${port}/`, timeoutMs: 60_000, intervalMs: 50 }
  const spec = {
    name: 'vida',
    ready,
    health: null,
    silenceMs: null,
    envFiles: [],
    environment: {},
  } as unknown as ModuleSpec
  const started_at = new Date().toISOString()
  const view = {
    name: 'vida',
    state: 'starting',
    pid: child.pid,
    run_id: RUN,
    started_at,
    uptime_s: 0,
    spares: [],
    last_exit: null,
  }
  const keeper = new FakeKeeper(state, view as unknown as ModuleView, spec)
  await keeper.listen()
  const daemon = spawn(process.execPath, [MAIN, '--state-dir', state.dir], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: {},
  })
  const openUp = () => new Promise<void>(resolve => web.listen(port, '127.0.0.1', () => resolve()))
  try {
    await work({ state, keeper, child, daemon, openUp })
  } finally {
    daemon.kill('SIGKILL')
    child.kill('SIGKILL')
    web.closeAllConnections()
    web.close()
    await keeper.die()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function until<T>(
  look: () => T | null | undefined | false | Promise<T | null>,
  what: string,
): Promise<T> {
  const deadline = performance.now() + 8000
  for (;;) {
    const found = await look()
    if (found) return found as T
    assert.ok(performance.now() < deadline, what)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const fleetOf = (state: StateDir) =>
  askDaemon(state.daemonSocket, '/api/v1/fleet', 1000) as Promise<StatusDocument | null>

test('the daemon says hello, probes, measures, serves and ends within a second', async () => {
  await withDaemon(async ({ state, keeper, daemon, openUp }) => {
    const [hello] = await until(() => keeper.saw('hello').length > 0 && keeper.saw('hello'), 'hello')
    await until(() => keeper.saw('watch')[0], 'watch')
    assert.equal((hello as { pid: number } | undefined)?.pid, daemon.pid)
    assert.deepEqual(
      keeper.asked.slice(0, 3).map(request => request.ask),
      ['hello', 'plan', 'watch'],
    )
    await openUp()
    const probed = await until(() => keeper.saw('probed')[0], 'probed')
    assert.deepEqual(
      [(probed as { run_id: string }).run_id, (probed as { found: string }).found],
      [RUN, 'ready'],
    )
    const measured = await until(async () => {
      const fleet = await fleetOf(state)
      return fleet?.modules[0]?.cpu_percent != null ? fleet : null
    }, 'cpu')
    assert.ok((measured.modules[0]?.memory_bytes ?? 0) > 100_000)
    assert.equal(statSync(state.daemonSocket).mode & 0o777, 0o600)
    const before = performance.now()
    daemon.kill('SIGTERM')
    await new Promise(resolve => daemon.once('exit', resolve))
    assert.ok(performance.now() - before < 1000)
  })
})

test('when the keeper dies the daemon lives on, says so, keeps the exit it saw, and comes back', async () => {
  await withDaemon(async ({ state, keeper, child, daemon }) => {
    await until(() => fleetOf(state), 'fleet')
    await until(() => keeper.saw('watch').length > 0, 'watch')
    await keeper.die()
    const orphaned = await until(async () => {
      const fleet = await fleetOf(state)
      return fleet?.keeper === null ? fleet : null
    }, 'keeper null')
    assert.equal(orphaned.state, 'degraded')
    child.kill('SIGKILL')
    await until(() => readExitEvidence(state, RUN), 'evidence')
    assert.equal(readExitEvidence(state, RUN)?.exit.signal, 'SIGKILL')
    await keeper.listen()
    await until(() => keeper.saw('hello').length === 2, 'second hello')
    await until(async () => ((await fleetOf(state))?.keeper ? true : null), 'keeper back')
    assert.equal(daemon.exitCode, null)
  })
})

test('an exit is archived with its dossier, and the status shows its fingerprint', async () => {
  await withDaemon(async ({ state, keeper }) => {
    await until(() => keeper.saw('watch').length > 0, 'watch')
    const log = 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n    x\nKeyError: 1\n'
    writeFileSync(join(state.logs, 'vida.log'), log)
    const journal = Journal.open(state.journal, { monoMs: 0, wallMs: Date.now() })
    const at = new Date().toISOString()
    const common = { at, module: 'vida', run_id: RUN }
    const exit = {
      known: true,
      code: 1,
      signal: null,
      core: false,
      oom: false,
      evidence: 'wait',
      asked: false,
    }
    const data = { ...exit, uptime_s: 1, reason: 'exit 1', log_offset: log.length }
    const events = [
      journal.append({ ...common, kind: 'started', data: { pid: 1, log_offset: 0 } }),
      journal.append({ ...common, kind: 'exited', data }),
    ]
    for (const event of events) keeper.push({ push: 'event', event })
    const last_exit = {
      known: true,
      code: 1,
      signal: null,
      core: false,
      oom: false,
      reason: '',
      at,
      uptime_s: 1,
      run_id: RUN,
      fingerprint: null,
    }
    keeper.push({
      push: 'module',
      module: { ...keeper.view, state: 'backoff', pid: null, run_id: null, last_exit },
    })
    const fleet = await until(async () => {
      const status = await fleetOf(state)
      return status?.modules[0]?.last_exit?.fingerprint ? status : null
    }, 'fingerprint')
    const found = await askDaemon(state.daemonSocket, `/api/v1/exits/${RUN}`, 1000)
    const { fingerprint, dossier } = found as {
      fingerprint: string
      dossier: { exception: { type: string } }
    }
    assert.equal(fleet.modules[0]?.last_exit?.fingerprint, fingerprint)
    assert.equal(dossier.exception.type, 'KeyError')
    journal.close()
  })
})

test('an archive that cannot be opened stops neither probing nor the API', async () => {
  await withDaemon(async ({ state, keeper, daemon, openUp }) => {
    await until(() => keeper.saw('watch').length > 0, 'watch')
    daemon.kill('SIGKILL')
    await new Promise(resolve => daemon.once('exit', resolve))
    for (const suffix of ['', '-wal', '-shm']) rmSync(state.archive + suffix, { force: true })
    symlinkSync('/dev/full', state.archive)
    const next = spawn(process.execPath, [MAIN, '--state-dir', state.dir], {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: {},
    })
    try {
      await openUp()
      await until(() => keeper.saw('probed').length > 0, 'probed')
      const fleet = await until(async () => {
        const status = await fleetOf(state)
        return status && status.degraded.length > 0 ? status : null
      }, 'degraded')
      assert.match(fleet.degraded[0] ?? '', /archive off/)
    } finally {
      next.kill('SIGKILL')
    }
  })
})
