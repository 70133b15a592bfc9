import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Journal } from '../../host/journal.ts'
import { ArchiveClient } from './client.ts'
import type { NewExit } from './store.ts'

const T0 = Date.UTC(2026, 0, 1)

interface Bench {
  readonly dir: string
  readonly journal: Journal
  readonly client: ArchiveClient
  readonly exits: NewExit[]
  readonly problems: (string | null)[]
}

async function withArchive(
  work: (bench: Bench) => Promise<void>,
  before: (dir: string) => void = () => {},
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'mark-client-'))
  mkdirSync(join(dir, 'logs'))
  const journal = Journal.open(join(dir, 'events.journal'), { monoMs: 0, wallMs: T0 })
  before(dir)
  const exits: NewExit[] = []
  const problems: (string | null)[] = []
  const setup = {
    archive: join(dir, 'archive.db'),
    journal: join(dir, 'events.journal'),
    logs: join(dir, 'logs'),
  }
  const client = new ArchiveClient(setup, {
    imported: more => exits.push(...more),
    problem: problem => problems.push(problem),
  })
  client.secrets([])
  try {
    await work({ dir, journal, client, exits, problems })
  } finally {
    await client.close()
    journal.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'deadline')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

test('an exit gets its dossier from the lines of that run alone', async () => {
  await withArchive(async ({ dir, journal, client, exits }) => {
    const before = 'Traceback of an earlier run\n'
    const own =
      'starting\nTraceback (most recent call last):\n  File "/a.py", line 3, in f\n    x\nKeyError: 1\n'
    writeFileSync(join(dir, 'logs', 'luka.log'), `${before}${own}of a later run\n`)
    const common = { at: new Date(T0).toISOString(), module: 'luka', run_id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }
    journal.append({ ...common, kind: 'started', data: { pid: 1, log_offset: before.length } })
    const log_offset = before.length + own.length
    const how = {
      known: true,
      code: 1,
      signal: null,
      core: false,
      oom: false,
      evidence: 'wait',
      asked: false,
    }
    journal.append({ ...common, kind: 'exited', data: { ...how, uptime_s: 1, reason: 'exit 1', log_offset } })
    client.note({ runId: common.run_id, resources: { samples: [] }, heartbeat: null, crash: null })
    client.wake()
    await until(() => exits.length === 1)
    const found = await client.ask('exit', common.run_id)
    assert.deepEqual(found?.dossier?.lines, own.trimEnd().split('\n'))
    assert.equal(found?.dossier?.exception?.type, 'KeyError')
    assert.deepEqual(found?.dossier?.resources, { samples: [] })
    assert.equal(found?.exit.fingerprint, exits[0]?.fingerprint)
    assert.equal(await client.ask('startOffset', common.run_id), before.length)
    assert.equal((await client.ask('fingerprints'))[0]?.runId, common.run_id)
  })
})

test('while the archive hangs in a lock, questions end in time and the daemon is never blocked', async () => {
  let other: DatabaseSync | null = null
  const lock = (dir: string): void => {
    other = new DatabaseSync(join(dir, 'archive.db'))
    other.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a); BEGIN EXCLUSIVE')
  }
  await withArchive(async ({ client }) => {
    let worst = 0
    let last = performance.now()
    const pulse = setInterval(() => {
      worst = Math.max(worst, performance.now() - last - 5)
      last = performance.now()
    }, 5)
    const events = client.ask('events', {
      module: null,
      sinceMs: null,
      beforeId: null,
      afterId: null,
      limit: 1,
    })
    await assert.rejects(events, /archive cannot answer/)
    clearInterval(pulse)
    assert.ok(worst < 500, `the main thread stood still for ${worst} ms`)
    other?.close()
  }, lock)
})

test('closing does not wait for a thread that hangs', async () => {
  let other: DatabaseSync | null = null
  const lock = (dir: string): void => {
    other = new DatabaseSync(join(dir, 'archive.db'))
    other.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a); BEGIN EXCLUSIVE')
  }
  await withArchive(async ({ client }) => {
    const before = performance.now()
    await client.close()
    assert.ok(performance.now() - before < 900)
    other?.close()
  }, lock)
})
