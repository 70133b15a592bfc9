/**
 * What is published: an allow-list of files, in a package that installs without scripts and runs elsewhere.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { StatusDocument } from '../src/core/view.ts'

const ROOT = dirname(import.meta.dirname)
const ALLOWED = [
  /^package\.json$/,
  /^bin\/(?:mark|package\.json)$/,
  /^dist\/[a-z0-9/-]+\.(?:js|d\.ts)$/,
  /^presets\/[a-z-]+\.(?:yaml|py)$/,
  /^schema\/mark\.schema\.json$/,
  /^(?:LICENSE|README\.md|CHANGELOG\.md)$/,
]
const NEEDED = [
  'bin/mark',
  'dist/cli/main.js',
  'dist/keeper/main.js',
  'dist/daemon/main.js',
  'presets/freqtrade.yaml',
  'presets/freqtrade-health.py',
  'LICENSE',
  'CHANGELOG.md',
]

const scratch = mkdtempSync(join(tmpdir(), 'mark-package-'))
const packageDir = join(scratch, 'package')
let packed: string[] = []
let tarball = ''

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Nothing of this run of npm may leak into the npm that it starts. */
function run(command: string, args: string[], cwd: string): Outcome {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:npm_|NODE_|MARK_)/.test(name)),
  )
  return spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 200_000 })
}

function must(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = run(command, args, cwd)
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

before(() => {
  must(process.execPath, [join(ROOT, 'scripts', 'build.js'), '--into', packageDir], ROOT)
  const told = JSON.parse(must('npm', ['pack', '--json', '--ignore-scripts'], packageDir)) as unknown
  const [entry] = Object.values(told as object) as { filename: string; files: { path: string }[] }[]
  assert.ok(entry)
  packed = entry.files.map(file => file.path)
  tarball = join(packageDir, basename(entry.filename))
})
after(() => rmSync(scratch, { recursive: true, force: true }))

/** The first four commands of a stranger, with nothing of the checkout around. */
function keepsAFleet(mark: string, dir: string): void {
  mkdirSync(dir)
  try {
    must(mark, ['init', '--', 'sleep', '1000'], dir)
    must(mark, ['up', '-d'], dir)
    const status = JSON.parse(must(mark, ['status', '--json'], dir)) as StatusDocument
    assert.deepEqual([status.state, status.modules.map(module => module.state)], ['up', ['ready']])
    assert.ok(status.keeper && status.daemon)
    must(mark, ['down'], dir)
    assert.equal(run(mark, ['status'], dir).status, 3)
  } finally {
    run(mark, ['down'], dir)
  }
}

describe('the package', () => {
  test('holds only what is on the list: no test, no source, no state', () => {
    const unknown = packed.filter(path => !ALLOWED.some(pattern => pattern.test(path)))
    assert.deepEqual(unknown, [])
    const unwanted = packed.filter(path => /\.test\.|\.mark\//.test(path))
    assert.deepEqual(unwanted, [])
  })

  test('holds all that runs', () => {
    const missing = NEEDED.filter(path => !packed.includes(path))
    assert.deepEqual(missing, [])
  })

  test('imports no TypeScript: every import was rewritten', () => {
    for (const path of packed.filter(name => name.endsWith('.js'))) {
      const text = readFileSync(join(packageDir, path), 'utf8')
      assert.doesNotMatch(text, /(?:from|import\(|import)\s*['"]\.[^'"]+\.ts['"]/, path)
    }
  })

  test('installs without scripts elsewhere, and keeps a fleet: init, up -d, status, down', t => {
    const ping = run('npm', ['ping', '--fetch-timeout=20000', '--fetch-retries=0'], scratch)
    if (ping.status !== 0) return t.skip('no npm registry can be reached')
    const project = join(scratch, 'a project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{ "name": "elsewhere", "private": true }')
    must(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', tarball],
      project,
    )
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    const mark = join(project, 'node_modules', '.bin', 'mark')
    assert.match(must(mark, ['--version'], scratch), new RegExp(version.replaceAll('.', '\\.')))
    const installed = readdirSync(join(project, 'node_modules', 'mark-keeper'))
    assert.ok(!installed.includes('src'))
    keepsAFleet(mark, join(scratch, 'a fleet'))
  })
})
