/**
 * A node:test reporter for scripts/test.js. Writes one JSON object a line to the file named by MARK_TEST_LOG:
 * `{name, outcome: passed | failed | skipped, reason, line}` for each test that ended, suites left out, and
 * `{begun: name}` for each that began. Opens its file before any test begins and writes at once, so that
 * tests may count their descriptors and what is known survives a kill.
 */
import { openSync, writeSync } from 'node:fs'
import { inspect } from 'node:util'

const log = openSync(process.env.MARK_TEST_LOG, 'a')
delete process.env.MARK_TEST_LOG

// biome-ignore lint/correctness/useYield: it reports to its file, and nothing to stdout
export default async function* report(events) {
  const above = []
  for await (const { type, data } of events) {
    if (type === 'test:dequeue') write({ begun: data.name })
    if (type === 'test:start') above[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isSuite = data.details?.type === 'suite'
    const error = data.details?.error
    // A suite or test fails with its subtests, which are told already; only its own fault is news.
    if (error?.failureType === 'subtestsFailed' || (isSuite && type === 'test:pass')) continue
    const name = [...above.slice(0, data.nesting), data.name].join(' > ')
    write({ name, ...outcomeOf(type, data, error), line: data.line ?? null })
  }
}

function write(entry) {
  writeSync(log, `${JSON.stringify(entry)}\n`)
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
