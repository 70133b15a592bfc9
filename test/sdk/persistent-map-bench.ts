/**
 * How fast a PersistentMap is beside bare node:sqlite with the same pragmas, in the same run, in turns:
 * prints JSON. `persistent-map-bench.ts [DIR]`: on the disk that holds DIR.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PersistentMap } from '../../src/sdk/sdk.ts'

const SETS = 300_000
const ROUNDS = 10
const WRITES = 100

const dir = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'mark-map-bench-'))
const map = await PersistentMap.open('bench', { dir })
const bare = new DatabaseSync(join(dir, 'bare.db'))
bare.exec('PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA locking_mode = EXCLUSIVE')
bare.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
const put = bare.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)')

const rate = (count: number, beganMs: number): number => (count * 1000) / (performance.now() - beganMs)
const value = (i: number): { price: number; side: string; id: string } => ({
  price: i / 3,
  side: 'buy',
  id: `o${i}`,
})

let began = performance.now()
for (let i = 0; i < SETS; i++) map.set(`order ${i % 1000}`, value(i))
const sets = rate(SETS, began)
await map.flush()
const throughput = rate(SETS, began)

const ours: number[] = []
const theirs: number[] = []
for (let round = 0; round < ROUNDS; round++) {
  began = performance.now()
  for (let i = 0; i < WRITES; i++) {
    bare.exec('BEGIN IMMEDIATE')
    put.run(`order ${i}`, JSON.stringify(value(i)))
    bare.exec('COMMIT')
  }
  theirs.push(rate(WRITES, began))
  began = performance.now()
  for (let i = 0; i < WRITES; i++) await map.set(`order ${i}`, value(i), { durable: true })
  ours.push(rate(WRITES, began))
}
bare.close()
await map.close()
rmSync(dir, { recursive: true })

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number
const ratios = ours.map((rateOfRound, i) => rateOfRound / (theirs[i] as number))
const round = (number: number): number => Math.round(number * 100) / 100
console.log(
  JSON.stringify({
    sets_per_s: Math.round(sets),
    sets_flushed_per_s: Math.round(throughput),
    durable_per_s: Math.round(median(ours)),
    bare_durable_per_s: Math.round(median(theirs)),
    durable_ratio_median: round(median(ratios)),
    durable_ratio_min: round(Math.min(...ratios)),
    durable_ratio_max: round(Math.max(...ratios)),
  }),
)
