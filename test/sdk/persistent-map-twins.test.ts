import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type Json, PersistentMap } from '../../src/sdk/sdk.ts'

const PYTHON = join(import.meta.dirname, '..', '..', 'python', 'src')
const skip = existsSync(join(PYTHON, 'mark_sdk', 'persistent_map.py'))
  ? false
  : 'the Python twin is not there: python/src/mark_sdk/persistent_map.py'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-map-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Runs Python with the map as `m`; returns what it printed last, as JSON. */
function python(lines: string, env: NodeJS.ProcessEnv = {}): Json {
  const program = [
    'import json, sys',
    'from mark_sdk.persistent_map import PersistentMap',
    "m = PersistentMap('twin', dir=sys.argv[1])",
    ...lines.split('\n').map(line => line.trim()),
    'print(json.dumps(dict(m.items())))',
    'm.close()',
  ]
  const options = {
    encoding: 'utf8',
    stdio: 'pipe',
    env: { PATH: process.env.PATH, PYTHONPATH: PYTHON, PYTHONIOENCODING: 'utf8', ...env },
  } as const
  return JSON.parse(execFileSync('python3', ['-c', program.join('\n'), dir], options)) as Json
}

/** What both must hold alike. */
const VALUES: Readonly<Record<string, Json>> = {
  '': null,
  text: 'über "quoted" \\ \u2028 \u{1f600} \ud800 \0',
  numbers: [0, -1, 1.5, 1e-7, 1.7976931348623157e308, 9007199254740991, 2 ** 60, 1e21],
  'key ü \u{1f600}': { deep: [{ a: [] }, {}], yes: true, no: false, nothing: null },
  __proto__x: { constructor: 1 },
}

describe('one file', { skip }, () => {
  test('written by Python, read and changed by TypeScript, and back', async () => {
    const given = Object.fromEntries(Object.entries(VALUES).filter(([key]) => key !== 'text'))
    const text = JSON.stringify(JSON.stringify(given))
    assert.deepEqual(python(`m.update(json.loads(${text}))\nm.set('text', 'a\\ud800b', durable=True)`), {
      ...given,
      text: 'a\ud800b',
    })
    const map = await PersistentMap.open('twin', { dir })
    assert.deepEqual(Object.fromEntries(map.entries()), { ...given, text: 'a\ud800b' })
    await map.transaction(change => {
      for (const [key, value] of Object.entries(VALUES)) change.set(key, value)
      change.delete('')
    })
    await map.close()
    const { '': _gone, ...rest } = VALUES
    assert.deepEqual(python('pass'), rest)
    assert.deepEqual(
      python("m['n'] = 1\ndel m['text']\nm.flush()"),
      (({ text: _, ...left }) => ({ ...left, n: 1 }))(rest as Record<string, Json>),
    )
    const again = await PersistentMap.open('twin', { dir })
    assert.equal(again.get('n'), 1)
    assert.equal(again.has('text'), false)
    await again.close()
  })

  test('keeps its fence for both', async () => {
    python("m['a'] = 1", { MARK_FENCE: '5' })
    await assert.rejects(PersistentMap.open('twin', { dir, fence: 4 }), { code: 'fenced' })
    await (await PersistentMap.open('twin', { dir, fence: 6 })).close()
    assert.throws(() => python('pass', { MARK_FENCE: '5' }), /later run/)
  })

  test('is open in one of them at a time', async () => {
    const map = await PersistentMap.open('twin', { dir })
    assert.throws(() => python('pass'), /StateBusy/)
    await map.close()
    assert.deepEqual(python('pass'), {})
  })

  test('holds no number that one of them would silently round', async () => {
    python("m['order'] = 9007199254740993")
    const map = await PersistentMap.open('twin', { dir })
    assert.throws(() => map.get('order'), /store it as text/)
    map.set('other', 1)
    await map.close()
    assert.equal(python("assert m['order'] == 9007199254740993\ndel m['order']") instanceof Object, true)
  })
})
