/**
 * A module that floods: `log-writer.ts FILE NAME LINES PAD PER_SECOND [HOLD_AT]` appends `NAME SEQ xxx…`
 * lines, one write each, as fast as it can (PER_SECOND 0), until its stdin ends (LINES 0, needs a rate). At
 * line HOLD_AT it waits until its stdin ends. Prints how many were written and how many writes failed.
 */
import { once } from 'node:events'
import { constants, openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const [file, name, lines, pad, perSecond, holdAt] = process.argv.slice(2)
const fd = openSync(file as string, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o640)
const rate = Number(perSecond)
const began = performance.now()
let failed = 0
const most = Number(lines) || Number.POSITIVE_INFINITY
let asked = false
let seq = 0
if (most === Number.POSITIVE_INFINITY) {
  process.stdin.resume()
  process.stdin.on('end', () => {
    asked = true
  })
}
for (; seq < most && !asked; seq++) {
  if (seq === Number(holdAt)) await once(process.stdin.resume(), 'end')
  const line = Buffer.from(`${name} ${seq} ${'x'.repeat(seq % Number(pad))}\n`)
  try {
    const written = writeSync(fd, line)
    if (written < line.length) failed++
  } catch {
    failed++
  }
  const aheadMs = rate === 0 ? 0 : (seq / rate) * 1000 - (performance.now() - began)
  if (aheadMs > 20) await pause(aheadMs)
}
console.log(JSON.stringify({ written: seq - failed, failed, ms: performance.now() - began }))
