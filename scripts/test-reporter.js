/**
 * A node:test reporter for scripts/test.js: one JSON object a line for each test that ended, suites left out.
 * `{name, outcome: passed | failed | skipped, reason, line}`; for a failure `reason` is what went wrong.
 */
import { inspect } from 'node:util'

export default async function* report(events) {
  const above = []
  for await (const { type, data } of events) {
    if (type === 'test:start') above[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isSuite = data.details?.type === 'suite'
    const error = data.details?.error
    // A suite fails with its tests, which are told already; only its own hooks are news.
    if (isSuite && (type === 'test:pass' || error?.failureType === 'subtestsFailed')) continue
    if (error?.failureType === 'subtestsFailed') continue
    const name = [...above.slice(0, data.nesting), data.name].join(' > ')
    yield `${JSON.stringify({ name, ...outcomeOf(type, data, error), line: data.line ?? null })}\n`
  }
}

function outcomeOf(type, data, error) {
  const excuse = data.skip ?? data.todo
  if (excuse !== undefined && excuse !== false) {
    return {
      outcome: 'skipped',
      reason: typeof excuse === 'string' && excuse !== '' ? excuse : 'no reason given',
    }
  }
  if (type === 'test:pass') return { outcome: 'passed', reason: null }
  return { outcome: 'failed', reason: explain(error?.cause ?? error) }
}

/** An assertion says all in its message; of any other error its own properties are told, too. */
function explain(error) {
  const text = error?.code === 'ERR_ASSERTION' ? String(error.stack) : inspect(error, { depth: 6 })
  return text.replace(/^ +at .*node:internal.*\n?/gm, '').trimEnd()
}
