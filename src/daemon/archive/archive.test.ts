import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import type { EventPage, EventQuery } from '../../contract/api.ts'
import type { FleetEvent } from '../../core/view.ts'
import { Journal } from '../../host/journal.ts'
import { readJournal } from '../../host/journal-reader.ts'
import { Importer } from './importer.ts'
import * as queries from './queries.ts'
import type { NewExit } from './store.ts'

let dir = ''
let open: { close(): void }[] = []
const T0 = Date.UTC(2026, 0, 1)
const now = { monoMs: 0, wallMs: T0 }
const draft = (event: FleetEvent) => ({
  fingerprint: `code-${event.data.code}`,
  exceptionType: 'ValueError',
  message: 'bad',
  rootCause: null,
  frame: { file: '/a.py', line: 3, function: 'f' },
  traceback: 'Traceback',
  lines: [`of ${event.run_id}`],
})

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-archive-'))
})
afterEach(() => {
  for (const one of open) one.close()
  open = []
  rmSync(dir, { recursive: true, force: true })
})

function journal(): Journal {
  const one = Journal.open(join(dir, 'events.journal'), now)
  open.push(one)
  return one
}

/** `count` runs of one module, each started, ready, exited 1. */
function crashes(to: Journal, count: number, from = 0): void {
  for (let i = from; i < from + count; i++) {
    const at = (ms: number) => new Date(T0 + i * 1000 + ms).toISOString()
    const run_id = `R${String(i).padStart(6, '0')}`
    const common = { module: 'luka', run_id }
    to.append({
      ...common,
      at: at(0),
      kind: 'started',
      data: { pid: 1, start_reason: 'crash', attempt: i, log_offset: i * 100 },
    })
    to.append({ ...common, at: at(100), kind: 'ready', data: { by: 'delay' } })
    const exit = {
      known: true,
      code: 1,
      signal: null,
      core: false,
      oom: false,
      evidence: 'wait',
      asked: false,
    }
    const data = { pid: 1, ...exit, uptime_s: 0.5, reason: 'exit 1', log_offset: i * 100 + 100 }
    to.append({ ...common, at: at(600), kind: 'exited', data })
  }
}

interface Started {
  readonly importer: Importer
  readonly exits: NewExit[]
  readonly problems: (string | null)[]
  settled(want: number): Promise<void>
}

function start(): Started {
  const exits: NewExit[] = []
  const problems: (string | null)[] = []
  const importer = new Importer({
    path: join(dir, 'archive.db'),
    readJournal: (after, limit) => readJournal(join(dir, 'events.journal'), after, limit),
    dossier: draft,
    imported: more => exits.push(...more),
    problemChanged: problem => problems.push(problem),
  })
  open.push(importer)
  importer.wake()
  const settled = (want: number) => until(() => importer.problem === null && countEvents(importer) === want)
  return { importer, exits, problems, settled }
}

function countEvents(importer: Importer): number {
  try {
    return importer.read(store => store.statement('SELECT count(*) AS n FROM events').get()?.n as number)
  } catch {
    return -1
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'deadline')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

test('500 equal crashes are 500 exits, one dossier with a count, and the newest lines', async () => {
  crashes(journal(), 500)
  const { importer, exits, settled } = start()
  await settled(1500)
  assert.equal(exits.length, 500)
  const found = importer.read(store => queries.findExit(store, 'R000007'))
  assert.equal(found?.dossier?.count, 500)
  assert.equal(found?.exit.code, 1)
  assert.deepEqual(found?.dossier?.lines, ['of R000499'])
  assert.equal(found?.dossier?.exception?.frame?.function, 'f')
})

test('importing again, from the beginning, or in another process doubles nothing', async () => {
  const written = journal()
  crashes(written, 300)
  const first = start()
  await first.settled(900)
  first.importer.close()
  const db = new DatabaseSync(join(dir, 'archive.db'))
  db.exec('UPDATE cursor SET seq = 10')
  db.close()
  crashes(written, 10, 300)
  const second = start()
  await second.settled(930)
  assert.equal(second.exits.length, 10)
  assert.equal(second.importer.read(store => queries.findExit(store, 'R000000'))?.dossier?.count, 310)
})

test('a torn last record waits until it is whole, and what stands before it is imported', async () => {
  const written = journal()
  crashes(written, 2)
  written.close()
  open = []
  const path = join(dir, 'events.journal')
  const whole = readFileSync(path)
  for (const cut of [1, 20, 60]) {
    writeFileSync(path, whole.subarray(0, whole.length - cut))
    rmSync(join(dir, 'archive.db'), { force: true })
    const { importer, settled } = start()
    await settled(5)
    appendFileSync(path, whole.subarray(whole.length - cut))
    importer.wake()
    await settled(6)
    importer.close()
  }
})

test('a corrupt archive is kept under another name and rebuilt from the journal', async () => {
  crashes(journal(), 50)
  const first = start()
  await first.settled(150)
  first.importer.close()
  const path = join(dir, 'archive.db')
  const bytes = readFileSync(path)
  bytes.fill(0x5a, 0, Math.min(bytes.length, 8192))
  writeFileSync(path, bytes)
  const second = start()
  await second.settled(150)
  assert.match(second.problems[0] ?? '', /corrupt.*archive\.db\.corrupt-1/)
  assert.equal(second.problems.at(-1), null)
  assert.ok(readdirSync(dir).includes('archive.db.corrupt-1'))
})

test('an archive of a newer schema is left alone, and said so', async () => {
  const db = new DatabaseSync(join(dir, 'archive.db'))
  db.exec('PRAGMA user_version = 99')
  db.close()
  crashes(journal(), 1)
  const { importer, problems } = start()
  await until(() => problems.length > 0)
  assert.match(importer.problem ?? '', /schema 99/)
  assert.throws(() => importer.read(store => store.cursor()), /schema 99/)
})

test('a new journal is read from its beginning, the old events stay', async () => {
  const written = journal()
  crashes(written, 3)
  const { importer, settled } = start()
  await settled(9)
  written.close()
  for (const name of readdirSync(dir).filter(one => one.startsWith('events.journal'))) rmSync(join(dir, name))
  open = open.filter(one => one !== written)
  crashes(journal(), 2, 3)
  importer.wake()
  await settled(15)
})

test('pages of events go back to the first without a gap or a double', async () => {
  crashes(journal(), 40)
  const { importer, settled } = start()
  await settled(120)
  const seen: number[] = []
  let beforeId: number | null = null
  for (;;) {
    const query: EventQuery = { module: 'luka', sinceMs: null, beforeId, afterId: null, limit: 7 }
    const page: EventPage = importer.read(store => queries.findEvents(store, query))
    seen.unshift(...page.events.map(event => event.seq))
    beforeId = page.firstId
    if (!page.more) break
  }
  assert.equal(seen.length, 120)
  assert.deepEqual(
    seen,
    [...new Set(seen)].sort((a, b) => a - b),
  )
  const forward = importer.read(store => {
    return queries.findEvents(store, { module: null, sinceMs: null, beforeId: null, afterId: 100, limit: 50 })
  })
  assert.equal(forward.events.length, 20)
})

test('exits come newest first, page by page', async () => {
  crashes(journal(), 12)
  const { importer, settled } = start()
  await settled(36)
  const first = importer.read(store =>
    queries.findExits(store, { module: 'luka', beforeMs: null, beforeRunId: null, limit: 5 }),
  )
  assert.deepEqual([first.exits[0]?.run_id, first.more], ['R000011', true])
  const last = first.exits.at(-1)
  const query = {
    module: 'luka',
    beforeMs: Date.parse(last?.at ?? ''),
    beforeRunId: last?.run_id ?? null,
    limit: 50,
  }
  const rest = importer.read(store => queries.findExits(store, query))
  assert.deepEqual([rest.exits.length, rest.exits[0]?.run_id, rest.more], [7, 'R000006', false])
})

test('uptime counts half of each second of this crash loop', async () => {
  crashes(journal(), 10)
  const { importer, settled } = start()
  await settled(30)
  const uptime = importer.read(store => queries.findUptime(store, 'luka', T0, T0 + 10_000))
  assert.equal(uptime.upMs, 5000)
  const later = importer.read(store => queries.findUptime(store, 'luka', T0 + 5300, T0 + 10_000))
  assert.equal(later.upMs, 300 + 4 * 500)
})

test('what is older than the retention goes, in slices, and nothing else', async () => {
  crashes(journal(), 600)
  const { importer, settled } = start()
  await settled(1800)
  importer.retain(T0 + 500_000)
  await settled(300)
  assert.equal(
    importer.read(store => store.statement('SELECT count(*) AS n FROM exits').get()?.n),
    100,
  )
  assert.equal(importer.read(store => queries.findExit(store, 'R000599'))?.dossier?.count, 600)
})

test('a locked archive delays the import and loses nothing', async () => {
  const written = journal()
  crashes(written, 5)
  const first = start()
  await first.settled(15)
  first.importer.close()
  const other = new DatabaseSync(join(dir, 'archive.db'))
  other.exec('BEGIN EXCLUSIVE')
  crashes(written, 2, 5)
  const { importer, problems, settled } = start()
  await until(() => problems.length > 0)
  assert.match(importer.problem ?? '', /locked/)
  other.exec('ROLLBACK')
  other.close()
  await settled(21)
  assert.equal(problems.at(-1), null)
})
