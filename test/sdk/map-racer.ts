/**
 * Opens a map at the very moment that it is told, and says what came of it: `map-racer.ts DIR WAIT_MS`. On
 * stdin a wall-clock time in ms is "open then", `close` is "let go".
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { MapFile } from '../../src/sdk/map-file.ts'
import { troubleOf } from '../../src/sdk/map-trouble.ts'

const [dir = '', waitMs] = process.argv.slice(2)
const place = { dir, name: 'raced', fence: null, waitMs: Number(waitMs) }
let file: MapFile | null = null

for await (const line of createInterface({ input: process.stdin })) {
  writeSync(1, `${line === 'close' ? close() : openAt(Number(line))}\n`)
}

function openAt(wallMs: number): string {
  // Nothing but a busy loop is as exact as this must be.
  while (Date.now() < wallMs);
  try {
    file = MapFile.open(place, () => {})
    return 'open'
  } catch (error) {
    const { code, message } = troubleOf(error, true, place)
    return code === 'busy' ? code : message
  }
}

function close(): string {
  file?.close()
  file = null
  return 'closed'
}
