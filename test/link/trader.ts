/**
 * The module `dani` of the link's system test: publishes numbers and orders until the file `stop` is there,
 * then says in `done.json` what became of them.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { link } from '../../src/sdk/sdk.ts'

const TICK_MS = 20
const ORDER_EVERY = 3
/** Longer than all the kills together: in the end each order has an answer. */
const TIMEOUT_MS = 600_000

const outcomes: Record<string, number> = {}
const values: number[] = []
const orders: Promise<void>[] = []
let ticks = 0
const timer = setInterval(() => {
  if (existsSync('stop')) return void end()
  link().publish('ticks/a', ++ticks)
  if (ticks % ORDER_EVERY === 0) orders.push(order(ticks / ORDER_EVERY))
}, TICK_MS)

async function order(n: number): Promise<void> {
  const outcome = await link()
    .request('teea', 'order', n, { timeout: TIMEOUT_MS })
    .then(
      value => (value === n * 2 ? 'value' : 'wrong value'),
      (error: Error) => `${error.name}: ${error.message}`,
    )
  if (outcome === 'value') values.push(n)
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}

async function end(): Promise<void> {
  clearInterval(timer)
  await Promise.all(orders)
  writeFileSync(
    'done.json',
    JSON.stringify({ ticks, orders: orders.length, values, outcomes, dropped: link().dropped }),
  )
}
