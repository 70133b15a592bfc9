/**
 * How fast a PersistentMap is beside bare node:sqlite with the same pragmas, in the same run, in short turns:
 * prints JSON, one line for each size of a transaction. `persistent-map-bench.ts [TURNS] [DIR]`: on the disk
 * that holds DIR. Look at the ratio of the medians, not at the figures: they are the disk's.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PersistentMap } from '../../src/sdk/sdk.ts'

const SETS = 300_000
const TURNS = Number(process.argv[2] ?? 100)
const WRITES = 20
/** For its first 3 s a map looks at its file before each transaction, see map-identity.ts. */
const WARM_UP_MS = 3500

const dir = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'mark-map-bench-'))
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

function bareTurn(keys: number): number {
  const began = performance.now()
  for (let i = 0; i < WRITES; i++) {
    bare.exec('BEGIN IMMEDIATE')
    for (let key = 0; key < keys; key++) put.run(`order ${i}-${key}`, JSON.stringify(value(i)))
    bare.exec('COMMIT')
  }
  return rate(WRITES, began)
}

async function ourTurn(keys: number): Promise<number> {
  const began = performance.now()
  for (let i = 0; i < WRITES; i++) {
    await map.transaction(
      change => {
        for (let key = 0; key < keys; key++) change.set(`order ${i}-${key}`, value(i))
      },
      { durable: true },
    )
  }
  return rate(WRITES, began)
}

const began = performance.now()
for (let i = 0; i < SETS; i++) map.set(`order ${i % 1000}`, value(i))
const sets = rate(SETS, began)
await map.flush()
console.log(JSON.stringify({ sets_per_s: Math.round(sets), flushed_per_s: Math.round(rate(SETS, began)) }))

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number
for (const warmUntil = performance.now() + WARM_UP_MS; performance.now() < warmUntil; ) await ourTurn(1)
for (const keys of [1, 10]) {
  const ours: number[] = []
  const theirs: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    theirs.push(bareTurn(keys))
    ours.push(await ourTurn(keys))
  }
  const [our, their] = [median(ours), median(theirs)]
  const ratio = Math.round((our / their) * 100) / 100
  const figures = { durable_per_s: Math.round(our), bare_per_s: Math.round(their), ratio }
  console.log(JSON.stringify({ keys, turns: TURNS, ...figures }))
}
bare.close()
await map.close()
rmSync(dir, { recursive: true })
