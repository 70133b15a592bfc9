import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EventKind } from '../../core/view.ts'
import { Journal } from '../../host/journal.ts'
import { ArchiveClient } from './client.ts'

const T0 = Date.UTC(2026, 0, 1)
const RUN = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
const KNOWN = 'Zq7/canary+91xK"of the fleet'
const BARE = 'canary91xKabcdefghijklmnopqrstuvwxyz'
const COMMON = { at: new Date(T0).toISOString(), module: 'luka', run_id: RUN }
const EXIT = { known: true, code: 1, signal: null, core: false, oom: false, evidence: 'wait', asked: false }

/** One line for every way in which a module may write a secret. */
const OUTPUT = [
  `key ${KNOWN} loaded`,
  `url https://host/?k=${encodeURIComponent(KNOWN)}`,
  `form ${new URLSearchParams({ k: KNOWN })}`,
  JSON.stringify({ note: KNOWN }),
  JSON.stringify({ body: JSON.stringify({ note: KNOWN }) }),
  `sent ${Buffer.from(KNOWN).toString('base64')} and ${Buffer.from(KNOWN).toString('hex')}`,
  `Authorization: Basic ${Buffer.from(`user:${KNOWN}`).toString('base64')}`,
  `Authorization: Bearer ${BARE}`,
  `POST https://api.telegram.org/bot123456:AA${BARE}/sendMessage`,
  `https://luka:${BARE}@exchange.example/x?api_key=${BARE}&pair=BTC`,
  `-----BEGIN PRIVATE KEY-----\n${BARE}\n${BARE}\n-----END PRIVATE KEY-----`,
  `${'x'.repeat(1990)} ${KNOWN}`,
  'Traceback (most recent call last):',
  `  File "/app/a.py", line 3, in place`,
  `    sign(secret="${BARE}")`,
  `ValueError: login with ${KNOWN} and passphrase=${BARE} refused`,
].join('\n')

/** What must not stand in any file: the secrets in all spellings, and pieces of them. */
const FORBIDDEN = [
  ...['canary', 'Y2FuYXJ5', 'NhbmFye', 'jYW5hcn', '63616e617279', 'Zq7/', 'Zq7%2F', 'WnE3'],
  Buffer.from(`user:${KNOWN}`).toString('base64').slice(8, 30),
]

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'deadline')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** A run that says a secret in every way that the journal and the notes can carry. */
function tell(journal: Journal): void {
  const said = `it said ${KNOWN}, token=${BARE}`
  const add = (kind: EventKind, data: Record<string, unknown>): void => {
    journal.append({ ...COMMON, kind, data })
  }
  add('started', { pid: 1, log_offset: 0 })
  add('status', { text: said })
  add('hook', { hook: 'stop.before', ok: false, reason: said, took_ms: 3 })
  add('unhealthy', { reason: `GET http://u:${BARE}@127.0.0.1/ping: ${KNOWN}` })
  add('plan_applied', { by: 'cli', changes: [{ module: 'luka', reason: said }] })
  add('exited', { ...EXIT, uptime_s: 1, reason: said, log_offset: Buffer.byteLength(OUTPUT) })
}

test('no secret of output, events, reasons, hooks or notes is in the archive or its answers', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-canary-'))
  const logs = join(dir, 'logs')
  mkdirSync(logs)
  const journal = Journal.open(join(dir, 'events.journal'), { monoMs: 0, wallMs: T0 })
  writeFileSync(join(logs, 'luka.log'), OUTPUT)
  tell(journal)
  let imported = 0
  const setup = { archive: join(dir, 'archive.db'), journal: join(dir, 'events.journal'), logs }
  const hearing = {
    imported: (exits: readonly unknown[]): void => {
      imported += exits.length
    },
    problem: (): void => {},
  }
  const client = new ArchiveClient(setup, hearing)
  try {
    client.note({
      runId: RUN,
      resources: { note: KNOWN },
      heartbeat: { version: KNOWN, apiKey: BARE },
      crash: { error: { message: KNOWN }, traceback: KNOWN },
    })
    client.wake()
    await assert.rejects(client.ask('exit', RUN), 'nothing is stored before the secrets are known')
    client.secrets([KNOWN])
    await until(() => imported === 1)
    const found = await client.ask('exit', RUN)
    assert.equal(found?.dossier?.exception?.type, 'ValueError')
    assert.equal(found?.dossier?.exception?.frame?.function, 'place')
    assert.deepEqual(found?.dossier?.resources, { note: '***' })
    assert.equal(found?.exit.reason, 'it said ***, token=***')
    const query = { module: null, sinceMs: null, beforeId: null, afterId: null, limit: 100 }
    const { events } = await client.ask('events', query)
    assert.equal(events.length, 6)
    assert.equal(events[0]?.data.log_offset, 0)
    clean('answers', JSON.stringify([found, events]))
    cleanFiles(dir)
    assert.equal(readFileSync(join(logs, 'luka.log'), 'utf8'), OUTPUT, "the module's log is never touched")
  } finally {
    await client.close()
    journal.close()
  }
  cleanFiles(dir)
  rmSync(dir, { recursive: true, force: true })
})

function cleanFiles(dir: string): void {
  const files = readdirSync(dir).filter(name => name.startsWith('archive.db'))
  assert.ok(files.length > 0)
  for (const name of files) clean(name, readFileSync(join(dir, name), 'latin1'))
}

function clean(where: string, text: string): void {
  for (const piece of FORBIDDEN) {
    const at = text.indexOf(piece)
    assert.ok(at < 0, `${where} has ${piece}: ${text.slice(Math.max(0, at - 60), at + 60)}`)
  }
}
