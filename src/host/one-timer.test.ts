import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneTimer } from './one-timer.ts'

test('only the latest wish wakes, however many came before', context => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let woken = 0
  const timer = new OneTimer({ now: () => ({ monoMs: 0, wallMs: 0 }) }, () => woken++)
  for (const monoMs of [10, 20, 30, 40]) timer.at(monoMs)
  context.mock.timers.tick(39)
  assert.equal(woken, 0)
  context.mock.timers.tick(1)
  assert.equal(woken, 1)
  context.mock.timers.tick(100_000)
  assert.equal(woken, 1)
})

test('null cancels, and a far wish is looked at again within half a minute', context => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let woken = 0
  const timer = new OneTimer({ now: () => ({ monoMs: 0, wallMs: 0 }) }, () => woken++)
  timer.at(10)
  timer.at(null)
  context.mock.timers.tick(1000)
  assert.equal(woken, 0)
  timer.at(3_600_000)
  context.mock.timers.tick(30_000)
  assert.equal(woken, 1)
})

test('after a standstill others are heard for a second before anything is due', context => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let monoMs = 0
  let woken = 0
  const timer = new OneTimer({ now: () => ({ monoMs, wallMs: 0 }) }, () => woken++)
  timer.at(2000)
  monoMs = 32_000
  context.mock.timers.tick(2000)
  assert.equal(woken, 0)
  timer.at(31_000)
  monoMs += 1000
  context.mock.timers.tick(1000)
  assert.equal(woken, 1)
  timer.at(40_000)
  monoMs = 60_000
  timer.at(39_000)
  context.mock.timers.tick(999)
  assert.equal(woken, 1, 'also when something else came before the timer')
  monoMs += 1000
  context.mock.timers.tick(1)
  assert.equal(woken, 2)
})
