import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LastExit, UNKNOWN_EXIT } from './exit.ts'
import { FRESH_MEMORY } from './restart.ts'
import { runVariables } from './run-variables.ts'

const told = (lastExit: Partial<LastExit> | null) => {
  const child = { lastExit: lastExit as LastExit | null, memory: { ...FRESH_MEMORY, attempt: 2 } }
  return runVariables(child, { id: 'NEW', startReason: 'crash' }, 'SESSION')
}

test('a run learns how the one before it ended: by code, by signal, unknown, or that there was none', () => {
  const exits = [
    { known: true, code: 0, signal: null },
    { known: true, code: null, signal: 'SIGKILL' },
    { known: UNKNOWN_EXIT.known, code: null, signal: null },
    null,
  ]
  const ends = exits.map(exit => told(exit).MARK_PREVIOUS_EXIT)
  assert.deepEqual(ends, ['0', 'SIGKILL', 'unknown', ''])
})

test('it learns which run that was, why it is started, and which attempt it is', () => {
  const { MARK_RUN_ID, MARK_PREVIOUS_RUN_ID, MARK_START_REASON, MARK_ATTEMPT } = told({ run_id: 'OLD' })
  assert.deepEqual(
    [MARK_RUN_ID, MARK_PREVIOUS_RUN_ID, MARK_START_REASON, MARK_ATTEMPT],
    ['NEW', 'OLD', 'crash', '2'],
  )
})
