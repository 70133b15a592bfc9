import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { trampolineTools } from './trampoline-tools.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-tools-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const me = process.geteuid?.() ?? 0

function place(name: string, tool: string, mode: number): string {
  const at = join(dir, name)
  mkdirSync(at, { recursive: true })
  writeFileSync(join(at, tool), '')
  chmodSync(join(at, tool), mode)
  return at
}

test('the tools of this host are found by absolute paths', () => {
  const tools = trampolineTools()
  assert.match(tools.sh, /^\/(usr\/)?bin\/sh$/)
  for (const path of [tools.prlimit, tools.setpriv]) assert.ok(path === null || path.startsWith('/'))
})

test('a program that others may change, or that is not the owner’s, is passed over', () => {
  const open = place('open', 'setpriv', 0o777)
  const safe = place('safe', 'setpriv', 0o755)
  assert.equal(trampolineTools([open, safe], me).setpriv, join(safe, 'setpriv'))
  assert.equal(trampolineTools([open], me).setpriv, null)
  assert.equal(trampolineTools([safe], me + 1).setpriv, null)
  assert.equal(trampolineTools([place('dull', 'prlimit', 0o644)], me).prlimit, null)
})

test('a link is judged by what it leads to', () => {
  const open = place('target', 'bash', 0o777)
  const linked = join(dir, 'linked')
  mkdirSync(linked)
  symlinkSync(join(open, 'bash'), join(linked, 'bash'))
  assert.equal(trampolineTools([linked], me).bash, null)
})

test('nothing is taken from where a module keeps its own programs', () => {
  assert.deepEqual(trampolineTools([join(dir, 'none')], me), {
    sh: '/bin/sh',
    bash: null,
    prlimit: null,
    setpriv: null,
  })
})
