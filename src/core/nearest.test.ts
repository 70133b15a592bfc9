import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

test('a slip of the fingers finds the word that was meant', () => {
  const verbs = ['status', 'restart', 'start', 'stop', 'up', 'down']
  assert.equal(nearest('stauts', verbs), 'status')
  assert.equal(nearest('upp', verbs), 'up')
  assert.equal(nearest('RESTRAT', verbs), 'restart')
})

test('what resembles nothing gets no suggestion', () => {
  assert.equal(nearest('banana', ['status', 'up']), null)
  assert.equal(nearest('x'.repeat(5000), ['status']), null)
})
