import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import type { ModuleSpec } from '../../core/plan.ts'
import { explain } from './explain.ts'
import { load, only, problem, refusal, request } from './fake-load.ts'
import { loadConfig, loadWithTree } from './load.ts'
import { PRESETS, presetPath } from './presets.ts'

const SHIPPED = Object.fromEntries(
  PRESETS.map(name => presetPath(`${name}.yaml`)).map(path => [path, readFileSync(path, 'utf8')]),
)
const FREQTRADE = { ...SHIPPED, '/bin/freqtrade': '' }
const files = (extra: Record<string, string>): { extra: Record<string, string> } => ({
  extra: { ...FREQTRADE, ...extra },
})
const bot = (keys = '', fleet = ''): string =>
  `${fleet}modules:\n  bot:\n    preset: freqtrade\n${keys.replace(/^(?=.)/gm, '    ')}`
const paper = (more = ''): Record<string, string> => ({
  '/srv/sipa/config.json': `{ ${more}"dry_run": true }`,
})

const spec = (keys: string, extra: Record<string, string>, fleet = ''): ModuleSpec =>
  only(bot(keys, fleet), files(extra))

test('every preset of the package is known by its name, and each says what it is', () => {
  const there = readdirSync(dirname(presetPath('x'))).filter(name => name.endsWith('.yaml'))
  assert.deepEqual(there.sort(), PRESETS.map(name => `${name}.yaml`).sort())
})

describe('a preset', () => {
  test('lies over the defaults and under the module, key by key', () => {
    const fleet = 'defaults: { stop: { grace: 1s, signal: SIGHUP }, umask: "027" }\n'
    const { stop, argv, umask } = spec('stop: { grace: 90s }', paper(), fleet)
    assert.deepEqual([stop.signal, stop.graceMs, stop.orders, umask], ['SIGTERM', 90_000, 'leave', '0027'])
    assert.deepEqual(argv, ['freqtrade', 'trade'])
  })

  test('may stand in the defaults, and says of each value where it came from', () => {
    const yaml = 'defaults: { preset: freqtrade }\nmodules: { bot: {} }\n'
    const { tree, plan } = loadWithTree(request(yaml, files(paper())))
    assert.equal(plan.modules[0]?.preset, 'freqtrade')
    const found = explain(tree, 'modules.bot.stop.grace')
    assert.ok('from' in found)
    assert.equal(found.from?.file, presetPath('freqtrade.yaml'))
    assert.deepEqual(plan.inactive, [])
  })

  test('that nobody tried is a warning', () => {
    const untested = SHIPPED[presetPath('freqtrade.yaml')]?.replace(
      /tested: >-\n( {4}.*\n)+/,
      'tested: untested\n',
    )
    const given = request(bot(), files({ ...paper(), [presetPath('freqtrade.yaml')]: untested as string }))
    const said = loadConfig(given).warnings.map(({ message }) => message)
    assert.ok(said.some(message => /never tried/.test(message)))
  })
})

describe('freqtrade', () => {
  const API = '"api_server": { "enabled": true, "listen_ip_address": "127.0.0.1", "listen_port": 8082 }, '

  test('is asked by what its configuration has', () => {
    const byLog = spec('', paper())
    assert.equal(byLog.ready.kind, 'log')
    const byHttp = spec('', paper(API))
    assert.deepEqual([byHttp.ready.kind, byHttp.health?.action], ['http', 'alert'])
    assert.ok(byHttp.health?.probe.kind === 'exec')
    assert.ok(byHttp.health.probe.argv.includes('--ping=http://127.0.0.1:8082/api/v1/ping'))
    assert.equal(spec('', paper('"internals": { "sd_notify": true }, ')).ready.kind, 'notify')
  })

  test('is asked as the module says, if it says so', () => {
    const own = spec('ready: { delay: 3s }\nhealth: { tcp: 8082 }\nsilence: off', paper(API))
    assert.deepEqual([own.ready.kind, own.health?.probe.kind, own.silenceMs], ['delay', 'tcp', null])
    assert.equal(spec('health: none', paper()).health, null)
  })

  test('without a log heartbeat is not called silent', () => {
    assert.equal(spec('', paper('"internals": { "heartbeat_interval": 0 }, ')).silenceMs, null)
    assert.equal(spec('', paper()).silenceMs, 600_000)
  })

  test('as another user is asked only what that user can see', () => {
    const { health } = spec('user: trader', paper(API))
    assert.equal(health?.probe.kind, 'http')
    assert.equal(spec('user: trader', paper()).health, null)
  })

  test('reads user_data first, files of -c in order, and what they add', () => {
    const extra = {
      '/srv/sipa/user_data/config.json': '{ "dry_run": true }',
      '/srv/sipa/config.json': '{ "dry_run": false }',
      '/srv/sipa/a.json': '{ "dry_run": false, "add_config_files": ["sub/b.json"] }',
      '/srv/sipa/sub/b.json': `{ ${API} "dry_run": true }`,
      '/srv/sipa/c.json': '{ "dry_run": true }',
    }
    assert.equal(spec('', extra).ready.kind, 'log')
    const { ready } = spec('command: [freqtrade, trade, -c, a.json, -c, c.json]', extra)
    assert.equal(ready.kind, 'http')
    // What a file adds lies under it.
    const found = problem(bot('command: [freqtrade, trade, -c, a.json]'), files(extra))
    assert.equal(found.file, '/srv/sipa/a.json')
  })

  test('whose files add each other is refused', () => {
    const extra = { '/srv/sipa/config.json': '{ "dry_run": true, "add_config_files": ["config.json"] }' }
    assert.match(problem(bot(), files(extra)).message, /name each other/)
  })
})

describe('real money', () => {
  const REAL = { '/srv/sipa/config.json': '{\n  // live\n  "dry_run": false\n}' }
  const fleetOf = (mode: string, autonomy: string): string => `mode: ${mode}\nautonomy: ${autonomy}\n`

  test('in a fleet that is not for it is refused at its line, with a status of its own', () => {
    for (const [mode, autonomy] of ['TEST AUTO', 'DEBUG AUTO', 'REAL VIRTUAL'].map(words =>
      words.split(' '),
    )) {
      const error = refusal(bot('', fleetOf(mode as string, autonomy as string)), files(REAL))
      assert.deepEqual([error.code, error.exitStatus], ['MARK_REAL_MONEY', 5])
      const [{ file, line, column } = { file: '', line: 0, column: 0 }] = error.problems
      assert.deepEqual([file, line, column], ['/srv/sipa/config.json', 3, 3])
    }
  })

  test('in a fleet for it is allowed, and paper there is a warning', () => {
    const fleet = fleetOf('REAL', 'AUTO')
    assert.equal(spec('', REAL, fleet).environment.FREQTRADE__DRY_RUN, undefined)
    const { warnings } = loadConfig(request(bot('', fleet), files(paper())))
    assert.ok(warnings.some(({ message }) => /trades on paper/.test(message)))
  })

  test('is locked out by a variable too, so that a file edited later changes nothing', () => {
    assert.equal(spec('', paper()).environment.FREQTRADE__DRY_RUN, 'true')
    assert.equal(spec('', { '/srv/sipa/config.json': '{}' }).environment.FREQTRADE__DRY_RUN, 'true')
  })

  test('by a flag or a variable counts as in the files', () => {
    assert.ok(spec('command: freqtrade trade --dry-run', REAL))
    const yaml = bot('environment: { FREQTRADE__DRY_RUN: "false" }')
    assert.equal(refusal(yaml, files(paper())).code, 'MARK_REAL_MONEY')
    const envFile = { ...paper(), '/srv/sipa/.env': 'FREQTRADE__DRY_RUN=false\n' }
    assert.equal(refusal(bot(), files(envFile)).code, 'MARK_REAL_MONEY')
  })
})

describe('python-venv', () => {
  const VENV = { ...SHIPPED, '/srv/sipa/env/bin/python': '', '/srv/sipa/env/bin/activate': '' }
  const module = (keys: string): string =>
    `modules:\n  bot:\n    preset: python-venv\n    virtualenv: env\n    command: ${keys}\n`

  test('puts src on the path of Python where there is one, and stops it as Ctrl-C does', () => {
    const extra = { ...VENV, '/srv/sipa/src/main.py': '' }
    const { environment, stop, restart, kind } = only(module('[python3, -m, main]'), { extra })
    assert.deepEqual(
      [environment.PYTHONPATH, stop.signal, restart.delayMs, kind],
      ['/srv/sipa/src', 'SIGINT', 3000, 'service'],
    )
    assert.equal(
      load(module('[python3, main.py]'), { extra: VENV }).modules[0]?.environment.PYTHONPATH,
      undefined,
    )
  })

  test('names an entry in any of the ways Python takes one', () => {
    for (const entry of ['[python3, -u, main.py]', '[python3, -c, "import x"]', '[python, -Wd, -m, x]']) {
      assert.ok(only(module(entry), { extra: VENV }))
    }
  })
})
