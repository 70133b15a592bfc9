import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Plan } from '../core/plan.ts'
import { linkVariables, passwordOf, readOrMakeKey } from './link-access.ts'

const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/link.json', import.meta.url), 'utf8'),
) as { passwords: { key_hex: string; cases: { username: string; password: string }[] } }

function inDir(body: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'mark-link-'))
  try {
    body(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

test('passwords are what the vectors say', () => {
  const key = Buffer.from(vectors.passwords.key_hex, 'hex')
  for (const { username, password } of vectors.passwords.cases)
    assert.equal(passwordOf(key, username), password)
})

test('the key is made once, for its owner alone, and leaves nothing else behind', () => {
  inDir(dir => {
    const path = join(dir, 'link.key')
    const key = readOrMakeKey(path)
    assert.equal(key.length, 32)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(readOrMakeKey(path), key)
    assert.deepEqual(readdirSync(dir), ['link.key'])
  })
})

test('what lies there and is no key is refused and kept', () => {
  inDir(dir => {
    const path = join(dir, 'link.key')
    writeFileSync(path, 'short')
    assert.throws(() => readOrMakeKey(path), { code: 'MARK_ENVIRONMENT' })
    assert.equal(readFileSync(path, 'utf8'), 'short')
  })
})

test('a module gets where the broker is and its own password, and of another broker no password', () => {
  inDir(dir => {
    const state = { linkKey: join(dir, 'link.key'), socketDir: '/run/s' }
    const planOf = (link: Plan['link']): Plan => ({ link }) as Plan
    assert.deepEqual(linkVariables(planOf(null), 'vida', state), {})
    assert.deepEqual(readdirSync(dir), [], 'no link, no key')
    const own = linkVariables(planOf({ broker: null, listen: '127.0.0.1:1883' }), 'vida', state)
    assert.equal(own.MARK_LINK_URL, 'unix:/run/s/link.sock')
    assert.equal(own.MARK_LINK_TCP, '127.0.0.1:1883')
    assert.equal(own.MARK_LINK_PASSWORD, passwordOf(readFileSync(state.linkKey), 'vida'))
    assert.deepEqual(linkVariables(planOf({ broker: 'mqtt://mq:1883', listen: null }), 'vida', state), {
      MARK_LINK_URL: 'mqtt://mq:1883',
      MARK_LINK_USERNAME: 'vida',
    })
  })
})
