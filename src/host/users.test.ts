import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findUser } from './users.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-users-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const passwd = join(dir, 'passwd')
writeFileSync(
  passwd,
  'root:x:0:0:root:/root:/bin/bash\n1001:x:7:7::/x:/bin/sh\n+::::::\nann:x:1001:100:Ann,,,::\nbad:x::\n',
)

test('an account is found by its name and by its number', () => {
  const ann = { name: 'ann', uid: 1001, gid: 100, home: '/', shell: '/bin/sh' }
  assert.deepEqual(findUser('ann', passwd), ann)
  assert.equal(findUser('0', passwd)?.name, 'root')
})

test('a name that looks like a number goes before that number', () => {
  assert.equal(findUser('1001', passwd)?.uid, 7)
})

test('lines that name no account are passed over', () => {
  for (const name of ['+', 'bad', '', 'nobody-here']) assert.equal(findUser(name, passwd), null)
})
