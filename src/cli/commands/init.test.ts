/**
 * `mark init` and `mark check` on real directories: what init writes must pass the check that it tells to
 * run.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { NAME_PATTERN } from '../../contract/config/schema-parts.ts'
import { type Border, type CliContext, createContext } from '../context.ts'
import { nameFromCommand } from '../found-programs.ts'
import { runCheck } from './check.ts'
import { runConfigExplain } from './config-explain.ts'
import { flowList, runInit } from './init.ts'

const root = mkdtempSync(join(tmpdir(), 'mark-init-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Told {
  readonly context: CliContext
  readonly out: string[]
  readonly err: string[]
}

function inDirectory(
  name: string,
  files: Readonly<Record<string, string>>,
  env: Record<string, string> = {},
): Told {
  const cwd = join(root, name)
  mkdirSync(cwd, { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, path)), { recursive: true })
    writeFileSync(join(cwd, path), text, { mode: path.includes('bin/') ? 0o755 : 0o644 })
  }
  const out: string[] = []
  const err: string[] = []
  const border = {
    env: { PATH: '/usr/bin:/bin', ...env },
    argv: [],
    cwd,
    uid: process.getuid?.() ?? 0,
    gids: [],
    user: 'ann',
    node: process.execPath,
    version: '0',
    isTty: false,
    errIsTty: false,
    columns: () => 80,
    rows: () => 24,
    write: (text: string) => void out.push(text),
    writeErr: (text: string) => void err.push(text),
    onSignal: () => () => undefined,
  } satisfies Border
  const options = { file: null, stateDir: null, json: false, quiet: false, noColor: true }
  return { context: createContext(border, options), out, err }
}

const written = (told: Told): string => readFileSync(join(told.context.cwd, 'mark.yaml'), 'utf8')

test('init writes a file that check accepts, and says what to type next', async () => {
  const told = inDirectory('empty', {})
  assert.equal(await runInit(told.context, { command: [] }), 0)
  assert.match(told.err.join(''), /`mark check`, then `mark up`/)
  assert.match(written(told), /^# yaml-language-server: \$schema=/)
  assert.equal(await runCheck(told.context, { json: false }), 0)
  assert.match(told.out.join(''), /ok: 1 module/)
})

test('init for one command keeps every word of it', async () => {
  const command = ['sh', '-c', 'echo "$HOME" ${X} # no', '--n=1', '080', 'true', '']
  const told = inDirectory('one', {})
  await runInit(told.context, { command })
  assert.equal(await runCheck(told.context, { json: true }), 0)
  const yaml = parse(written(told)) as { modules: Record<string, { command: string[] }> }
  assert.deepEqual(
    yaml.modules['echo-home-x-no']?.command ?? Object.values(yaml.modules)[0]?.command,
    command.map(word => word.replace('${', () => '$${')),
  )
})

test('init finds python programs, their virtualenv, a Procfile and compose services', async () => {
  const told = inDirectory('sipa', {
    'main.py': '',
    'src/vida/__main__.py': '',
    'venv/bin/python': '',
    Procfile: 'web: sleep 1\n',
    'compose.yaml': 'services:\n  db:\n    image: postgres\n    command: postgres -c a=b\n',
    '.env': 'MODE=REAL\nAPI_KEY=hush\n',
  })
  await runInit(told.context, { command: [] })
  const yaml = parse(written(told)) as { mode?: string; modules: Record<string, Record<string, unknown>> }
  assert.deepEqual(Object.keys(yaml.modules), ['web', 'sipa', 'vida'])
  assert.equal(yaml.modules.vida?.virtualenv, './venv')
  assert.deepEqual(yaml.modules.vida?.environment, { PYTHONPATH: 'src' })
  assert.equal(yaml.mode, undefined)
  assert.match(written(told), /# {3}command: postgres -c a=b/)
  assert.equal(await runCheck(told.context, { json: false }), 0)
  assert.match(told.out.join(''), /REAL VIRTUAL NORMAL/)
  assert.ok(![...told.out, ...told.err, written(told)].join('').includes('hush'))
})

test('init never overwrites, and what it writes no other user may change', async () => {
  const told = inDirectory('mine', { 'mark.yaml': 'mine' })
  await assert.rejects(runInit(told.context, { command: ['x'] }), { code: 'MARK_REFUSED' })
  assert.equal(written(told), 'mine')
  const fresh = inDirectory('fresh', {})
  await runInit(fresh.context, { command: ['sleep', '1'] })
  assert.equal(statSync(join(fresh.context.cwd, 'mark.yaml')).mode & 0o022, 0)
})

test('check --json gives every problem with its place, and exit 78', async () => {
  const told = inDirectory('bad', { 'mark.yaml': 'modules:\n  v:\n    comand: x\n' })
  assert.equal(await runCheck(told.context, { json: true }), 78)
  const document = JSON.parse(told.out.join('')) as {
    ok: boolean
    problems: { line: number; column: number; hint: string }[]
  }
  assert.equal(document.ok, false)
  assert.deepEqual(
    document.problems.map(({ line, column, hint }) => [line, column, hint]),
    [[3, 5, 'did you mean `command`?']],
  )
})

test('check counts jobs beside modules, and names them with --json', async () => {
  const told = inDirectory('jobs', { 'mark.yaml': 'jobs: { luka: { command: sleep 1, every: 5m } }\n' })
  assert.equal(await runCheck(told.context, { json: false }), 0)
  assert.match(told.out.join(''), /^ok: 0 modules, 1 job \(jobs: TEST VIRTUAL NORMAL\)\n$/)
  told.out.length = 0
  await runCheck(told.context, { json: true })
  assert.deepEqual((JSON.parse(told.out.join('')) as { jobs: string[] }).jobs, ['luka'])
})

test('check refuses a file that everybody may write to', async () => {
  const told = inDirectory('shared', { 'mark.yaml': 'modules: { v: { command: sleep 1 } }\n' })
  await runCheck(told.context, { json: false })
  const { chmodSync } = await import('node:fs')
  chmodSync(join(told.context.cwd, 'mark.yaml'), 0o666)
  await assert.rejects(runCheck(told.context, { json: false }), { code: 'MARK_CONFIG_UNSAFE' })
})

test('config explain says what holds and where it was written', async () => {
  const told = inDirectory('explained', {
    'mark.yaml': 'modules:\n  v: { command: sleep 1, restart: { delay: "${D:-9s}" } }\n',
  })
  assert.equal(await runConfigExplain(told.context, { key: 'modules.v.restart.delay' }), 0)
  assert.match(told.out.join(''), /value +9s\n +from +mark\.yaml:2:44\n/)
  await assert.rejects(runConfigExplain(told.context, { key: 'modules.v.restart.dealy' }), {
    code: 'MARK_USAGE',
    hint: /delay/,
  })
})

test('words are written so that YAML gives them back unchanged', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), words => {
      fc.pre(words.every(word => !word.includes('${')))
      assert.deepEqual(parse(flowList(words)), words)
    }),
  )
})

test('a module is named after what its command runs', () => {
  const names = [
    ['python3', '-m', 'vida'],
    ['python3', 'bot.py'],
    ['node', 'dist/server.js'],
    ['./Run It.sh'],
    ['freqtrade', 'trade'],
    ['npm', 'run', 'web'],
  ]
  assert.deepEqual(names.map(nameFromCommand), ['vida', 'bot', 'server', 'run-it', 'freqtrade', 'web'])
  fc.assert(
    fc.property(fc.array(fc.string()), command => assert.match(nameFromCommand(command), NAME_PATTERN)),
  )
})
