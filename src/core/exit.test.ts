import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeExit, type Exit, judge, UNKNOWN_EXIT } from './exit.ts'

const exit = (code: number | null, signal: string | null = null): Exit => ({
  known: true,
  code,
  signal,
  core: null,
  oom: null,
  evidence: 'wait',
})

test('exit 0 completes a task and is a failure of a service', () => {
  assert.equal(judge(exit(0), 'task', false).kind, 'completed')
  assert.equal(judge(exit(0), 'service', false).kind, 'failure')
})

test('every code but those of the contract is a failure that counts', () => {
  const contract = new Set([0, 10, 11, 12, 75, 77, 78])
  for (let code = 0; code < 256; code++) {
    if (!contract.has(code)) assert.equal(judge(exit(code), 'service', false).kind, 'failure', String(code))
  }
})

test('the exit contract: 75 later, 77 held, 78 failed for good, 11 and 12 held', () => {
  const kinds = [75, 77, 78, 11, 12].map(code => judge(exit(code), 'service', false).kind)
  assert.deepEqual(kinds, ['later', 'hold', 'failed', 'hold', 'hold'])
})

test('exit 10 is held only while a kill is latched', () => {
  assert.equal(judge(exit(10), 'service', true).kind, 'hold')
  assert.equal(judge(exit(10), 'service', false).kind, 'failure')
})

test('an unknown exit fails a service and loses a task, which is not run again', () => {
  assert.equal(judge(UNKNOWN_EXIT, 'service', false).kind, 'failure')
  assert.equal(judge(UNKNOWN_EXIT, 'task', false).kind, 'failed')
})

test('137 and SIGKILL are told apart', () => {
  assert.equal(describeExit(exit(137)), 'exit 137')
  assert.equal(describeExit(exit(null, 'SIGKILL')), 'SIGKILL')
  assert.equal(describeExit(UNKNOWN_EXIT), 'exit unknown')
})
