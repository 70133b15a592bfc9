import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RunVerdicts } from './run-verdicts.ts'

function bench() {
  const told: string[] = []
  const verdicts = new RunVerdicts((module, runId, found, reason) =>
    told.push(`${module} ${runId} ${found}: ${reason}`),
  )
  return { verdicts, told: () => told.splice(0) }
}

test('the worst of what the watchers found is told, once, and again when it changes', () => {
  const { verdicts, told } = bench()
  verdicts.found('heartbeat', 'vida', 'R1', 'healthy', 'goes on')
  verdicts.found('probe', 'vida', 'R1', 'healthy', 'answers')
  assert.deepEqual(told(), ['vida R1 healthy: goes on'])
  verdicts.found('probe', 'vida', 'R1', 'unhealthy', 'silent')
  verdicts.found('heartbeat', 'vida', 'R1', 'stale', 'old')
  verdicts.found('heartbeat', 'vida', 'R1', 'healthy', 'goes on')
  assert.deepEqual(told(), ['vida R1 unhealthy: silent'], 'a heartbeat does not cover what a probe found')
  verdicts.found('probe', 'vida', 'R1', 'healthy', 'answers')
  assert.equal(told().length, 1)
})

test('readiness passes through, every run counts for itself, and a new link hears everything again', () => {
  const { verdicts, told } = bench()
  verdicts.found('probe', 'vida', 'R1', 'ready', 'answers')
  verdicts.found('probe', 'vida', 'R1', 'unhealthy', 'silent')
  verdicts.found('probe', 'vida', 'R2', 'healthy', 'answers')
  assert.equal(told().length, 3)
  verdicts.reset()
  verdicts.found('probe', 'vida', 'R1', 'unhealthy', 'silent')
  verdicts.forget('R1')
  verdicts.found('probe', 'vida', 'R1', 'unhealthy', 'silent')
  assert.equal(told().length, 2)
})
