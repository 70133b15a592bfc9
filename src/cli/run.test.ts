import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { callCli } from '../../test/cli-call.ts'
import { bareStatus } from './run.ts'

test('only the bare words go past the parser', () => {
  assert.equal(bareStatus(['status'])?.json, false)
  assert.equal(bareStatus(['status', '--json'])?.json, true)
  for (const argv of [
    [],
    ['--json', 'status'],
    ['status', '--js'],
    ['status', '--json', 'x'],
    ['status', '-h'],
    ['up'],
  ])
    assert.equal(bareStatus(argv), null, argv.join(' '))
})

test('past the parser and through it `mark status` says the same, also of what is wrong', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-status-'))
  const both = async (json: string[]) => [
    await callCli(dir, ['status', ...json]),
    await callCli(dir, ['--no-color', 'status', ...json]),
  ]
  try {
    const [none, parsed] = await both([])
    assert.match(none?.err ?? '', /^error\[MARK_NOT_RUNNING\]: There is no fleet here/)
    assert.deepEqual(none, parsed)
    writeFileSync(join(dir, 'mark.yaml'), 'name: quick\nmodules:\n  luka: { command: [sleep, infinity] }\n')
    for (const json of [[], ['--json']]) {
      const [bare, through] = await both(json)
      assert.match(bare?.out ?? '', /luka/)
      assert.deepEqual(bare, through)
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})
