/**
 * A map that is killed again and again. MARK_LONG=1: 1,000 times, or as often as MARK_KILLS says; MARK_SEED
 * repeats the instants.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PersistentMap } from '../../src/sdk/sdk.ts'
import { chanceFrom } from '../chaos/schedule.ts'
import { ModelMap } from './map-life.ts'

const KILLS = Number(process.env.MARK_KILLS ?? (process.env.MARK_LONG === '1' ? 1000 : 40))
const SEED = Number(process.env.MARK_SEED ?? Date.now() % 100_000)
const WRITER = join(import.meta.dirname, 'map-writer.ts')
const OPENING_MS = 400
const WRITING_MS = 60

/** Killed so long after its start, or after it said that it is open. Returns what it said last. */
function runUntilKilled(dir: string, kind: string, fromStart: boolean, delayMs: number): Promise<number> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [WRITER, dir, kind], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    let isArmed = false
    const arm = (): void => {
      if (!isArmed) setTimeout(() => child.kill('SIGKILL'), delayMs)
      isArmed = true
    }
    if (fromStart) arm()
    child.stdout.on('data', text => {
      out += text
      if (out.includes('open')) arm()
    })
    child.on('close', () => resolve(Math.max(-1, ...(out.match(/^\d+$/gm) ?? []).map(Number))))
  })
}

test(`${KILLS} kills at any instant lose nothing that was acknowledged and tear nothing`, async t => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-map-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const model = new ModelMap()
  const chance = chanceFrom(SEED)
  let known = -1
  let beyond = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const isDurable = kill % 2 === 0
    const fromStart = kill % 5 === 4
    const delayMs = chance() * (fromStart ? OPENING_MS : WRITING_MS)
    const acknowledged = await runUntilKilled(dir, isDurable ? 'durable' : 'background', fromStart, delayMs)
    const map = await PersistentMap.open('killed', { dir })
    const n = (map.get('n') as number | undefined) ?? -1
    const found = new Map(map.entries())
    await map.close()
    const floor = Math.max(known, acknowledged)
    assert.ok(n >= floor, `kill ${kill}: ${floor} was acknowledged, ${n} is there`)
    if (isDurable && acknowledged >= 0) assert.ok(n <= acknowledged + 1, `kill ${kill}: ${n} was never begun`)
    if (n > floor) beyond++
    assert.deepEqual(found, new Map(model.upTo(n)), `kill ${kill}: not the state after operation ${n}`)
    known = n
  }
  const more = `${beyond} times the last one was there and not yet acknowledged`
  t.diagnostic(`seed ${SEED}, ${KILLS} kills, ${known + 1} operations; ${more}`)
  assert.ok(known > KILLS, 'it really wrote')
})
