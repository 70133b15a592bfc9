/**
 * A full disk of 16 MB: no write of a module fails while it writes less than its reserve between two looks,
 * and what had to be given up is counted to the line.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadLibc } from '../../src/host/libc.ts'
import { logicalSize } from '../../src/host/log-file.ts'
import { mount, whyNot } from '../contracts/file-systems.ts'
import * as ring from '../contracts/log-ring.contract.ts'

const skip = loadLibc() === null ? 'koffi cannot be loaded here' : whyNot('ext4')

for (const [occupied, lines, rate] of [
  ['nothing else', 200_000, 12_000],
  ['somebody else', 40_000, 4_000],
] as const) {
  test(`on a disk filled by ${occupied} no write fails, and every lost line is counted`, {
    skip,
  }, async t => {
    const mounted = mount('ext4', 16)
    t.after(() => mounted.unmount())
    const logs = join(mounted.dir, 'logs')
    mkdirSync(logs)
    const spec = { ...ring.SPEC, maxSizeBytes: 3 * 1024 * 1024, reserveBytes: 1024 * 1024 }
    const keeper = ring.startKeeper(logs, spec)
    const said = ring.outputOf(keeper)
    await ring.ready(keeper)
    const writer = ring.outputOf(ring.startWriter(logs, 'a', lines, { perSecond: rate }))
    if (occupied === 'somebody else') {
      while (logicalSize(logs, 'vida') < 2 * 1024 * 1024) await pause(50)
      fill(join(mounted.dir, 'hog'))
    }
    const { failed } = JSON.parse(await writer) as { failed: number }
    await ring.endKeeper(keeper)
    const drops = (await said)
      .split('\n')
      .filter(line => line.includes('"lines"'))
      .map(line => JSON.parse(line) as { bytes: number; lines: number; from: number; to: number })
    assert.equal(failed, 0, 'writes that failed')
    t.diagnostic(`${drops.length} drops, ${drops.reduce((sum, drop) => sum + drop.lines, 0)} lines`)
    assert.ok(drops.length > 0, 'the disk was full')
    assert.equal(
      drops.reduce((sum, drop) => sum + drop.lines, 0),
      lines - linesIn(logs),
    )
    for (const { from, to, bytes } of drops) assert.equal(to - from, bytes)
  })
}

/** All that is still kept, over every gap. */
function linesIn(logs: string): number {
  let lines = 0
  const sequences: number[] = []
  for (const { text } of ring.everyLine(logs)) {
    sequences.push(Number(text.split(' ')[1]))
    lines++
  }
  assert.deepEqual(
    sequences,
    [...new Set(sequences)].sort((a, b) => a - b),
  )
  return lines
}

/** Takes all the room there is, as another program would. */
function fill(path: string): void {
  const block = Buffer.alloc(64 * 1024, 1)
  try {
    for (;;) writeFileSync(path, block, { flag: 'a' })
  } catch {}
}
