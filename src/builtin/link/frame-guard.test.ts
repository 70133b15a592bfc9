import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameGuard } from './frame-guard.ts'

function frame(bytes: number): Buffer {
  const length: number[] = []
  for (let rest = bytes; length.length === 0 || rest > 0; rest = Math.floor(rest / 128))
    length.push((rest % 128) | (rest >= 128 ? 0x80 : 0))
  return Buffer.concat([Buffer.from([0x30, ...length]), Buffer.alloc(bytes, 0xff)])
}

test('frames up to the bound pass, however they are cut, and a larger one is seen', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 50 }), (frames, piece) => {
      const guard = new FrameGuard(200)
      const bytes = Buffer.concat(frames.map(frame))
      let isAllowed = true
      for (let at = 0; at < bytes.length && isAllowed; at += piece)
        isAllowed = guard.take(bytes.subarray(at, at + piece))
      assert.equal(
        isAllowed,
        frames.every(size => size <= 200),
      )
    }),
  )
})

test('a length of more than four bytes is refused', () => {
  assert.equal(new FrameGuard(2 ** 30).take(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01])), false)
})
