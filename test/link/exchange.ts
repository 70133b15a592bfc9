/**
 * The module `teea` of the link's system test: a fake exchange. Writes down each order that it executes and
 * each tick that it hears, a line each, in its working directory.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { link, PersistentMap, ready } from '../../src/sdk/sdk.ts'

/** An exchange takes its time: a kill may come between an order and its answer. */
const ANSWER_MS = 40

const ledger = await PersistentMap.open('orders')
link().subscribe('ticks/#', n => appendFileSync('heard.txt', `${JSON.stringify(n)}\n`))
link().serve(
  'order',
  async n => {
    appendFileSync('executed.txt', `${JSON.stringify(n)}\n`)
    await sleep(ANSWER_MS)
    return Number(n) * 2
  },
  { ledger },
)
const timer = setInterval(() => {
  if (!link().isUp) return
  clearInterval(timer)
  ready()
}, 10)
