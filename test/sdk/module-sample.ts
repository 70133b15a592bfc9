/** A module as its author would write it, for tests of the SDK's door: what it does is its argument. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as mark from '../../src/sdk/sdk.ts'

const what = process.argv[2]
if (what === 'idle') {
  mark.ready()
  mark.heartbeat({ state: 'trading', feeds: { BTCUSDT: 1 } })
  mark.onHalt(() => {})
  await sleep(300)
}
if (what === 'crash') {
  mark.ready()
  process.on('uncaughtExceptionMonitor', () => console.log('theirs'))
  await sleep(300)
  throw new RangeError('bad price')
}
if (what === 'lost') {
  mark.ready()
  await sleep(300)
  const { FOLDER = '' } = process.env
  await mark.PersistentMap.open('gone', { dir: FOLDER })
}
if (what === 'exit') {
  mark.ready()
  await sleep(300)
  mark.exit(mark.EXIT.CONFIGURATION, 'no API key')
}
if (what === 'stop') {
  process.on('SIGTERM', () => console.log('theirs'))
  mark.onStop(async signal => {
    console.log(`stop ${signal}`)
    await sleep(50)
    mark.exit(mark.EXIT.OK)
  })
  mark.ready()
  console.log('up')
  setInterval(() => {}, 1000)
}
if (what === 'outside') {
  for (const call of [mark.ready, mark.ping, mark.heartbeat, mark.stopping]) call()
  mark.degraded('a')
  mark.reconciled(true)
  mark.metric('a', 1)
  mark.closing(0)
  for (const on of [mark.onStop, mark.onPause, mark.onResume, mark.onHalt]) on(() => {})
  const refused = await mark.PersistentMap.open('a').catch((error: mark.PersistentMapError) => error.code)
  console.log(JSON.stringify([mark.haltLevel(), mark.paths, mark.start.reason, refused, mark.now().quality]))
}
