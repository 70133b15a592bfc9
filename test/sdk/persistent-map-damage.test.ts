/**
 * A map's file cut off at every length and with flipped bits. MARK_LONG=1: 1,000 flips; MARK_SEED repeats
 * them.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { MapFile } from '../../src/sdk/map-file.ts'
import type { Rows } from '../../src/sdk/map-proof.ts'
import { troubleOf } from '../../src/sdk/map-trouble.ts'
import { chanceFrom } from '../chaos/schedule.ts'

const FLIPS = process.env.MARK_LONG === '1' ? 1000 : 200
const SEED = Number(process.env.MARK_SEED ?? Date.now() % 100_000)
let dir = ''
let path = ''
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-map-'))
  path = join(dir, 'a.db')
})
after(() => rmSync(dir, { recursive: true, force: true }))

/** What is in it, or `lost`; any other trouble throws. The map's own thread does just this. */
function reading(then?: (file: MapFile) => void): string {
  const place = { dir, name: 'a', fence: null, waitMs: 0 }
  let rows: Rows | null = null
  try {
    const file = MapFile.open(place, found => {
      rows = found
    })
    try {
      then?.(file)
    } finally {
      file.close()
    }
  } catch (error) {
    const { code, message } = troubleOf(error, true, place)
    assert.ok(code === 'lost' || code === 'unwritable', message)
    return rows === null ? code : 'raises later'
  }
  return JSON.stringify(rows)
}

function make(entries: number): { bytes: Buffer; content: string } {
  for (const name of ['a.db', 'a.exists', 'a.db.bak']) rmSync(join(dir, name), { force: true })
  const keys = Array.from({ length: entries }, (_, i) => `${i}`)
  reading(file => file.write({ keys, texts: keys.map(key => JSON.stringify({ key, text: 'x'.repeat(60) })) }))
  return { bytes: readFileSync(path), content: reading() }
}

test('a map cut off at any length never opens', t => {
  const { bytes } = make(20)
  for (let length = bytes.length - 1; length >= 0; length--) {
    truncateSync(path, length)
    assert.equal(reading(), 'lost', `${length} bytes`)
    assert.equal(statSync(path).size, length)
  }
  t.diagnostic(`${bytes.length} lengths raised`)
})

test(`${FLIPS} flipped bits raise or do no harm, also to what is written later`, t => {
  const { bytes, content } = make(100)
  const chance = chanceFrom(SEED)
  let harmless = 0
  for (let flip = 0; flip < FLIPS; flip++) {
    // Every tenth in the first page: the header and the tables' definitions.
    const bit = Math.floor(chance() * 8 * (flip % 10 === 0 ? 600 : bytes.length))
    const damaged = Buffer.from(bytes)
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
    writeFileSync(path, damaged)
    const found = reading()
    if (found === 'lost' || found === 'unwritable') continue
    assert.equal(found, content, `bit ${bit} changed what is read`)
    harmless++
    if (reading(file => file.write({ keys: ['7', 'new'], texts: ['null', '1'] })) !== content) continue
    const later = reading()
    if (later === 'lost') continue
    const { keys, texts } = JSON.parse(later) as Rows
    const map = new Map(keys.map((key, i) => [key, texts[i]]))
    assert.deepEqual([map.size, map.get('7'), map.get('new')], [101, 'null', '1'], `bit ${bit}`)
  }
  t.diagnostic(`seed ${SEED}, ${FLIPS} flips: ${FLIPS - harmless} raised, ${harmless} did no harm`)
})
