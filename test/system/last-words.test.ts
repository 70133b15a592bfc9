/** What a module says of itself and of its end: shown while it lives, and in the dossier when it does not. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DossierRecord, SaidRecord } from '../../src/contract/api.ts'
import { Fleet, until } from './fleet.ts'
import { botModule } from './sdk-bots.ts'

const SECRET = 'hunter2-very-secret-value'
/** Its traceback goes nowhere: only the SDK tells of it. */
const BOT = `import os, sys, time
import mark_sdk as mark
sys.stderr = open(os.devnull, 'w')
mark.ready()
mark.reconciled(False, '2 orders differ')
while True:
    mark.heartbeat(state='trading', open_orders=2)
    mark.metric('latency_ms', 3.5, {'venue': 'kraken'})
    if os.path.exists('crash'):
        raise KeyError('no fee for ' + os.environ['API_KEY'])
    time.sleep(0.1)
`
const CONFIG = `secrets: { API_KEY: { file: api.key } }
modules:
${botModule('bot', 'python', '    secrets: [API_KEY]\n    restart: { policy: never }\n')}`

interface Described {
  readonly said: SaidRecord | null
  readonly dossier: DossierRecord | null
}

test('metrics and books are shown; a crash that its log lacks is in the dossier, redacted', async t => {
  const fleet = new Fleet(CONFIG, ['bot'])
  fleet.write('bot.py', BOT)
  fleet.write('api.key', SECRET, 0o600)
  const describe = async (): Promise<Described> => {
    return JSON.parse((await fleet.expect(0, 'describe', 'bot', '--json')).stdout)
  }
  try {
    await fleet.up()
    const said = await until('its metric is shown', 20_000, async () => {
      const shown = (await describe()).said
      return shown && shown.metrics.length > 0 && shown
    })
    assert.deepEqual(
      [said.metrics[0]?.name, said.metrics[0]?.value, said.metrics[0]?.labels.venue],
      ['latency_ms', 3.5, 'kraken'],
    )
    assert.deepEqual([said.connected, said.reconciled?.ok], [true, false])
    assert.match(said.sdk ?? '', /^python/)
    const { stdout } = await fleet.expect(0, 'describe', 'bot')
    assert.match(stdout, /reconciled +NO: 2 orders differ/)
    assert.match(stdout, /metric +latency_ms 3.5 venue=kraken/)
    const [event] = fleet.events('reconciled', 'bot')
    assert.deepEqual([event?.data.ok, event?.data.detail], [false, '2 orders differ'])

    fleet.write('crash', '')
    const dossier = await until('its dossier is there', 20_000, async () => (await describe()).dossier)
    assert.equal(dossier.exception?.type, 'KeyError')
    assert.match(dossier.traceback ?? '', /^Traceback \(most recent call last\)/)
    assert.equal((dossier.heartbeat as { open_orders?: number } | null)?.open_orders, 2)
    assert.equal(JSON.stringify(dossier).includes(SECRET), false)
    for (const name of ['archive.db', 'archive.db-wal', 'events.journal']) {
      const path = join(fleet.stateDir, name)
      if (existsSync(path)) assert.equal(readFileSync(path).includes(SECRET), false, name)
    }
    t.diagnostic((await fleet.expect(0, 'describe', 'bot')).stdout)
  } finally {
    fleet.end()
  }
})
