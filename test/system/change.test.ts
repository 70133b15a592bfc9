/** `up` on a fleet that runs: what did not change is not touched, and a refusal touches nothing at all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

const NAMES = Array.from({ length: 10 }, (_, index) => `m${index}`)

function config(change: Readonly<Record<string, string>> = {}): string {
  const lines = NAMES.map(name => `  ${name}: ${change[name] ?? '{ command: [sleep, "1000"] }'}`)
  return `defaults: { ready: { delay: 50ms }, stop: { grace: 2s } }\nmodules:\n${lines.join('\n')}\n`
}

async function ran(): Promise<{ fleet: Fleet; before: Record<string, number[]> }> {
  const fleet = new Fleet(config(), NAMES)
  await fleet.up()
  const before = fleet.pids()
  assert.equal(Object.keys(before).length, 10)
  return { fleet, before }
}

test('one of ten modules changed: one restart', async () => {
  const { fleet, before } = await ran()
  try {
    await fleet.up()
    assert.deepEqual(fleet.pids(), before, 'the same again changes nothing')
    fleet.write('mark.yaml', config({ m3: '{ command: [sleep, "1001"] }' }))
    await fleet.up()
    const now = fleet.pids()
    const changed = NAMES.filter(name => now[name]?.[0] !== before[name]?.[0])
    assert.deepEqual(changed, ['m3'])
    assert.deepEqual(
      fleet.events('exited').map(event => event.module),
      ['m3'],
    )
    assert.deepEqual(fleet.observer.doubled, [])
  } finally {
    fleet.end()
  }
})

const BAD: readonly [says: string, change: Record<string, string>, code: number, text: RegExp][] = [
  ['a missing program', { m2: '{ command: [sleep, "1001"] }', m5: '{ command: [./nowhere] }' }, 78, /m5/],
  ['an unknown key', { m2: '{ command: [sleep, "1001"] }', m5: '{ comand: [sleep, "1"] }' }, 78, /command/],
  [
    'a missing virtualenv',
    { m2: '{ command: [sleep, "1001"] }', m5: '{ command: [python3], virtualenv: ./none }' },
    78,
    /none/,
  ],
]

for (const [says, change, code, text] of BAD) {
  test(`up with ${says} in one module stops and starts nothing`, async () => {
    const { fleet, before } = await ran()
    try {
      fleet.write('mark.yaml', config(change))
      const refused = await fleet.expect(code, 'up', '-d')
      assert.match(refused.stderr, text)
      assert.deepEqual(fleet.pids(), before)
      assert.deepEqual(fleet.events('exited'), [])
    } finally {
      fleet.end()
    }
  })
}

test('up with one module under a latch is refused as a whole: the others are not touched', async () => {
  const { fleet, before } = await ran()
  try {
    await fleet.expect(0, 'kill', 'm7', '--reason', 'test')
    await until('m7 is gone', 5000, () => fleet.pids().m7 === undefined)
    fleet.write('mark.yaml', config({ m2: '{ command: [sleep, "1001"] }' }))
    const refused = await fleet.expect(5, 'up', '-d')
    assert.match(refused.stderr, /MARK_LATCHED/)
    const { m7: _gone, ...others } = before
    assert.deepEqual(fleet.pids(), others)
  } finally {
    fleet.end()
  }
})
