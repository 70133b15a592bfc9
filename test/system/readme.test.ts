/** What the README tells a stranger to type must work: its configuration is run as it stands there. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

test('the ten lines of the README are ten lines, check clean and run', async () => {
  const config = /```yaml\n([\s\S]*?)```/.exec(README)?.[1] ?? ''
  assert.equal(config.trim().split('\n').length, 10)
  const fleet = new Fleet(config, ['feed', 'bot'])
  await fleet.expect(0, 'check')
  await fleet.up()
  const [bot] = fleet.pids().bot ?? []
  process.kill(bot as number, 'SIGKILL')
  await until('the bot is back', 10_000, () => {
    const [pid] = fleet.pids().bot ?? []
    return pid !== undefined && pid !== bot
  })
  await fleet.expect(0, 'down')
})

test('every file that the README names is there', () => {
  const named = [...README.matchAll(/(?:\]\(|`)((?:docs|src|test|bench|examples)\/[\w./-]+)/g)].map(
    match => match[1] as string,
  )
  assert.ok(named.length > 15)
  const missing = named.filter(path => !existsSync(new URL(`../../${path}`, import.meta.url)))
  assert.deepEqual(missing, [])
})
