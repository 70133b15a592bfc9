import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { callCli } from '../../test/cli-call.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-cli-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const mark = (...argv: string[]) => callCli(dir, argv)

test('help and version are answers, not errors', async () => {
  assert.equal((await mark('--version')).out, '9.9.9\n')
  const help = await mark('up', '--help')
  assert.equal(help.status, 0)
  assert.match(help.out, /--atomic/)
  assert.match(help.out, /--state-dir/)
})

test('a wrong verb, option, value or number of words is a usage error with one line of help', async () => {
  for (const argv of [
    ['upp'],
    ['status', '--bogus'],
    ['up', '--timeout', '5q'],
    ['describe'],
    ['start'],
    ['logs', '--level', 'loud'],
  ]) {
    const { status, out, err } = await mark(...argv)
    assert.equal(status, 2, argv.join(' '))
    assert.match(err, /^error\[MARK_\w+\]: .+\n$/, argv.join(' '))
    assert.equal(out, '')
  }
  assert.match((await mark('upp')).err, /did you mean `mark up`\?/)
})

test('no target is a usage error even where no fleet is', async () => {
  assert.equal((await mark('start')).status, 2)
})

test('verbs that this version lacks say so', async () => {
  for (const verb of ['reconcile', 'approve', 'top']) {
    const { status, err } = await mark(verb, 'x', '--y')
    assert.equal(status, 5)
    assert.match(err, /^error\[MARK_UNSUPPORTED\]/)
  }
})

test('mark alone, where there is no fleet, says how to begin', async () => {
  const { status, out } = await mark()
  assert.equal(status, 0)
  assert.match(out, /mark init/)
})

test('outside any fleet every verb names what is missing', async () => {
  assert.equal((await mark('status')).status, 3)
  assert.equal((await mark('stop', 'x')).status, 3)
  const up = await mark('up', '-d')
  assert.equal(up.status, 78)
  assert.match(up.err, /^error\[MARK_CONFIG_MISSING\]/)
})

test('a fleet that was never started shows what it declares, and exits 3', async () => {
  const fleet = mkdtempSync(join(dir, 'fleet-'))
  writeFileSync(join(fleet, 'mark.yaml'), 'name: demo\nmodules:\n  one: { command: [sleep, "1"] }\n')
  const file = join(fleet, 'mark.yaml')
  const { status, out } = await mark('status', '--json', '--file', file)
  assert.equal(status, 3)
  const document = JSON.parse(out)
  assert.deepEqual([document.fleet, document.state, document.keeper], ['demo', 'stopped', null])
  assert.equal(document.modules[0].name, 'one')
  const table = await mark('ps', '--file', file)
  assert.match(table.out, /one\s+○ stopped/)
  assert.doesNotMatch(table.out, /\x1b/)
  assert.equal((await mark('down', '--file', file)).status, 0)
})
