import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startCommand } from './launch.ts'
import { distrust, probe } from './new-version.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-version-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const uid = process.geteuid?.() ?? 0

function program(name: string, text: string, mode = 0o755): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

test('files that somebody else could write, or that are no files, are not run', () => {
  const node = program('node', '#!/bin/sh\n')
  const main = program('main', '', 0o644)
  mkdirSync(join(dir, 'open'), { mode: 0o777 })
  chmodSync(join(dir, 'open'), 0o777)
  const inOpen = program('open/main', '', 0o644)
  const trusted = (given: { node?: string; main?: string }): string | null =>
    distrust({ node, main, version: '2', ...given }, uid)
  assert.equal(trusted({}), null)
  assert.match(trusted({ main: inOpen }) ?? '', /open can be written by everybody/)
  assert.match(trusted({ main: 'main.ts' }) ?? '', /not an absolute path/)
  assert.match(trusted({ main: dir }) ?? '', /not a regular file/)
  assert.match(trusted({ main: join(dir, 'none') }) ?? '', /ENOENT/)
  assert.match(trusted({ node: main }) ?? '', /EACCES/)
})

test('a version is proven by `ok` and its own number, and by nothing else', async () => {
  const asked = async (script: string): Promise<string | null> => {
    const node = program('says', `#!/bin/sh\n${script}\n`)
    const fault = await probe({ node, main: '/main', version: '2.0' }, dir, { PATH: '/usr/bin:/bin' }).fault
    return fault === null ? null : `${fault.code} ${fault.message}`
  }
  assert.equal(await asked('echo ok 2.0'), null)
  assert.equal(await asked('[ "$*" = "/main --probe --state-dir $PWD" ] && echo ok 2.0'), null)
  assert.match((await asked('echo ok 2.1')) ?? '', /it answered "ok 2\.1"/)
  assert.match((await asked('echo ok 2.0; exit 3')) ?? '', /MARK_REFUSED.*its proof failed: exit 3\.$/)
  assert.match((await asked('echo "TypeError: no" >&2; exit 1')) ?? '', /its proof failed: TypeError: no\.$/)
  assert.equal(
    await asked('echo "error[MARK_STATE_NEWER]: Too new. hint: Go back." >&2; exit 5'),
    'MARK_STATE_NEWER Too new.',
  )
  assert.match((await asked('echo "error[MARK_NONSENSE]: x" >&2; exit 5')) ?? '', /^MARK_REFUSED/)
  assert.match((await asked('kill -SEGV $$')) ?? '', /^MARK_REFUSED/)
})

test('a command that runs out of time is over then, also while its own child holds its output', async () => {
  const script = 'sleep 30 & echo $!; wait'
  const began = performance.now()
  const { pid, result } = startCommand(['sh', '-c', script], { timeoutMs: 200 })
  assert.ok(pid !== null)
  const { code, late } = await result
  assert.deepEqual([code, late], [null, true])
  assert.ok(performance.now() - began < 5000)
})
