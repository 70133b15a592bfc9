/** The ladder: each rung once, in order, never before its time, and what was paused is resumed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AT_THE_FOOT, climb, FOUND_PAUSED, type Ladder, LADDER_OFF, nextRungMs } from './stale-ladder.ts'
import type { Health } from './view.ts'

const SPEC = { pauseMs: 30_000, recoverMs: 120_000, restartMs: 300_000 }

function walk(looks: readonly (readonly [number, Health])[], first: Ladder = AT_THE_FOOT): string[] {
  let ladder = first
  return looks.flatMap(([atMs, health]) => {
    const step = climb(SPEC, ladder, health, atMs)
    ladder = step.ladder
    return step.moves.map(move => `${atMs / 1000}: ${move}`)
  })
}

test('rungs come at their time after it turned stale, each once', () => {
  const looks = [0, 29, 30, 31, 119, 120, 200, 300, 900].map(s => [s * 1000, 'stale'] as const)
  assert.deepEqual(walk(looks), ['30: pause', '120: recover', '300: restart'])
})

test('fresh again resumes what was paused, and the next time begins at the foot', () => {
  const looks = [
    [0, 'stale'],
    [30_000, 'stale'],
    [40_000, 'healthy'],
    [41_000, 'healthy'],
    [50_000, 'stale'],
    [79_999, 'stale'],
    [80_000, 'stale'],
  ] as const
  assert.deepEqual(walk(looks), ['30: pause', '40: resume', '80: pause'])
})

test('fresh before the pause takes nothing back, for nothing was taken', () => {
  assert.deepEqual(
    walk([
      [0, 'stale'],
      [29_000, 'healthy'],
    ]),
    [],
  )
})

test('silence neither climbs nor resumes: that is for its own action', () => {
  const looks = [
    [0, 'stale'],
    [30_000, 'stale'],
    [500_000, 'unhealthy'],
    [600_000, 'unknown'],
  ] as const
  assert.deepEqual(walk(looks), ['30: pause'])
})

test('a look that comes much too late takes all that is due, in order', () => {
  assert.deepEqual(
    walk([
      [0, 'stale'],
      [999_000, 'stale'],
    ]),
    ['999: pause', '999: recover', '999: restart'],
  )
})

test('who was found paused is resumed when fresh, and is not paused once more', () => {
  assert.deepEqual(walk([[5000, 'healthy']], FOUND_PAUSED), ['5: resume'])
  assert.deepEqual(
    walk(
      [
        [5000, 'stale'],
        [35_000, 'stale'],
        [125_000, 'stale'],
      ],
      FOUND_PAUSED,
    ),
    ['125: recover'],
  )
})

test('off is never due', () => {
  const { ladder, moves } = climb(LADDER_OFF, AT_THE_FOOT, 'stale', 0)
  assert.deepEqual([moves, nextRungMs(LADDER_OFF, ladder)], [[], null])
  assert.equal(nextRungMs(SPEC, ladder), 30_000)
  assert.equal(nextRungMs(SPEC, AT_THE_FOOT), null)
})

test('whatever comes, pauses and resumes alternate and no rung is early', () => {
  const looks = fc.array(
    fc.record({
      gapMs: fc.nat(200_000),
      health: fc.constantFrom<Health>('healthy', 'stale', 'unhealthy', 'unknown'),
    }),
  )
  fc.assert(
    fc.property(looks, given => {
      let nowMs = 0
      let ladder = AT_THE_FOOT
      let paused = false
      for (const { gapMs, health } of given) {
        nowMs += gapMs
        const step = climb(SPEC, ladder, health, nowMs)
        for (const move of step.moves) {
          if (move === 'pause' || move === 'resume') {
            assert.equal(paused, move === 'resume')
            paused = move === 'pause'
          }
          if (move !== 'resume') assert.ok(nowMs - (step.ladder.sinceMs as number) >= SPEC[`${move}Ms`])
        }
        ladder = step.ladder
        assert.ok((nextRungMs(SPEC, ladder) ?? nowMs + 1) > nowMs || health !== 'stale')
      }
    }),
  )
})
