import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../../host/clock.ts'
import { UptimeBook } from './uptime-book.ts'

test('a burst of events is one question, and the percentage goes on in time', async () => {
  const clock = fakeClock()
  let asked = 0
  let answered = (): void => {}
  const done = new Promise<void>(resolve => {
    answered = resolve
  })
  const book = new UptimeBook(clock, async ({ modules, fromMs, toMs }) => {
    asked++
    assert.deepEqual(modules, ['vida'])
    assert.equal(toMs - fromMs, 30 * 86_400_000)
    setImmediate(answered)
    return { vida: { state: 'down', upMs: 1000, downMs: 0, plannedMs: 0, untilMs: toMs } }
  })
  const alive = setInterval(() => {}, 1000)
  assert.equal(book.percent('vida'), null)
  for (let i = 0; i < 50; i++) book.touch(['vida'])
  await done
  clearInterval(alive)
  assert.equal(asked, 1)
  assert.equal(book.percent('vida'), 100)
  clock.advance(1000)
  assert.equal(book.percent('vida'), 50)
  book.keepOnly(new Set())
  assert.equal(book.percent('vida'), null)
  book.close()
})
