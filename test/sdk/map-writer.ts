/**
 * Goes on with the operations of a map until it is killed: `map-writer.ts DIR durable|background`. Says on
 * stdout each operation that it knows to be on the disk.
 */
import { writeSync } from 'node:fs'
import { PersistentMap } from '../../src/sdk/sdk.ts'
import { operate } from './map-life.ts'

const [dir = '', kind] = process.argv.slice(2)
const map = await PersistentMap.open('killed', { dir, interval: 3 })
let n = ((map.get('n') as number | undefined) ?? -1) + 1
writeSync(1, 'open\n')
for (; ; n++) {
  if (kind === 'durable') await map.transaction(change => operate(n, change), { durable: true })
  else {
    await map.transaction(change => operate(n, change))
    if (n % 16 === 0) await map.flush()
    else continue
  }
  writeSync(1, `${n}\n`)
}
