/**
 * The module `teea` of the link's system test: a fake exchange. Writes down each order that it executes and
 * each tick that it hears, a line each, in its working directory.
 */
import { appendFileSync } from 'node:fs'
import { link, PersistentMap, ready } from '../../src/sdk/sdk.ts'

const ledger = await PersistentMap.open('orders')
link().subscribe('ticks/#', n => appendFileSync('heard.txt', `${JSON.stringify(n)}\n`))
link().serve(
  'order',
  n => {
    appendFileSync('executed.txt', `${JSON.stringify(n)}\n`)
    return Number(n) * 2
  },
  { ledger },
)
const timer = setInterval(() => {
  if (!link().isUp) return
  clearInterval(timer)
  ready()
}, 10)
