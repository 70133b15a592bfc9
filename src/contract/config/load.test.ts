/** What mark.yaml becomes: defaults, paths, merged files, borrowed spellings, words and secrets. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fakeFiles } from './fake-files.ts'
import { load, only, PROGRAMS, ENV, problem, refusal, request, vida } from './fake-load.ts'
import { loadConfig } from './load.ts'
import { formatProblems } from './problem.ts'

describe('the plan', () => {
  test('fills in every default of the contract', () => {
    const spec = only('modules: { vida: { command: [python3, -m, vida] } }')
    assert.deepEqual(spec.argv, ['python3', '-m', 'vida'])
    assert.equal(spec.workingDir, '/srv/sipa')
    assert.deepEqual(spec.environment, { MODE: 'TEST', AUTONOMY: 'VIRTUAL', STRATEGY: 'NORMAL' })
    assert.deepEqual(spec.ready, { kind: 'delay', delayMs: 1000 })
    assert.equal(spec.health, null)
    assert.equal(spec.watchdogMs, 15_000)
    assert.deepEqual(spec.heartbeat, {
      timeoutMs: 15_000,
      maxDataAgeMs: null,
      expectState: null,
      ladder: { pauseMs: null, recoverMs: null, restartMs: null },
    })
    assert.deepEqual(spec.restart, {
      policy: 'always',
      delayMs: 3000,
      multiplier: 2,
      maxDelayMs: 300_000,
      jitter: 0.1,
      resetAfterMs: 600_000,
      budget: [
        { count: 5, windowMs: 600_000 },
        { count: 20, windowMs: 86_400_000 },
      ],
      whenSpent: 'slow',
    })
    assert.deepEqual(spec.stop, {
      signal: 'SIGTERM',
      graceMs: 30_000,
      before: null,
      verify: null,
      orders: 'leave',
    })
    assert.equal(spec.log.maxSizeBytes, 50 * 1024 ** 2)
    assert.equal(spec.log.quotaBytes, 1024 ** 3)
    assert.equal(spec.log.rotate, 'ring')
  })

  test('takes from the caller exactly the variables of the contract', () => {
    const { baseEnvironment } = load(vida(''))
    assert.deepEqual(baseEnvironment, {
      PATH: '/bin',
      HOME: '/home/ann',
      HTTPS_PROXY: 'http://proxy',
      LC_TIME: 'C',
      LANG: 'C.UTF-8',
    })
  })

  test('keeps the variables of the first up until they are asked to be refreshed', () => {
    const previous = load(vida(''))
    const env = { ...ENV, HOME: '/home/bob' }
    assert.equal(load(vida(''), { previous, env }).baseEnvironment.HOME, '/home/ann')
    assert.equal(load(vida(''), { previous, env, refreshEnv: true }).baseEnvironment.HOME, '/home/bob')
  })

  test('restarts a task only on failure', () => {
    assert.equal(only(vida('kind: task')).restart.policy, 'on-failure')
  })

  test('puts every module after all it depends on, otherwise as declared', () => {
    const yaml = [
      'modules:',
      '  c: {command: sleep 1, depends_on: [b]}',
      '  z: {command: sleep 1}',
      '  b: {command: sleep 1, depends_on: [a]}',
      '  a: {command: sleep 1}',
    ].join('\n')
    assert.deepEqual(
      load(yaml).modules.map(module => module.name),
      ['a', 'b', 'c', 'z'],
    )
  })

  test('waits for ready of a service and for the completion of a task, unless told', () => {
    const yaml = [
      'modules:',
      '  t: {command: sleep 1, kind: task}',
      '  s: {command: sleep 1}',
      '  m: {command: sleep 1, depends_on: [t, s]}',
      '  n: {command: sleep 1, depends_on: {s: {condition: started}}}',
    ].join('\n')
    const [m, n] = load(yaml).modules.slice(2)
    assert.deepEqual(m?.dependsOn, [
      { name: 't', condition: 'completed' },
      { name: 's', condition: 'ready' },
    ])
    assert.deepEqual(n?.dependsOn, [{ name: 's', condition: 'started' }])
  })

  test('names the fleet after its directory', () => {
    const files = fakeFiles({ ...PROGRAMS, '/srv/My Fleet/mark.yaml': vida('') })
    assert.equal(load('', { file: '/srv/My Fleet/mark.yaml', files }).fleet, 'my-fleet')
  })

  test('splits a line into words without a shell, and runs a shell when asked for', () => {
    assert.deepEqual(only(`modules: { v: { command: "python3 -c 'a b' \\\\$X" } }`).argv, [
      'python3',
      '-c',
      'a b',
      '$X',
    ])
    assert.deepEqual(only('modules: { v: { command: "sleep 1 | cat", shell: true } }').argv, [
      '/bin/sh',
      '-c',
      'sleep 1 | cat',
    ])
  })

  test('keeps text that looks like a number as it was written', () => {
    const spec = only(vida('environment: { PORT: 0080, V: 1.10, F: true }\numask: 022'))
    assert.equal(spec.environment.PORT, '0080')
    assert.equal(spec.environment.V, '1.10')
    assert.equal(spec.environment.F, 'true')
    assert.equal(spec.umask, '0022')
  })

  test('takes what is expected of heartbeats, and knows the states that can be', () => {
    const asked = only(vida('heartbeat: { timeout: 5s, max_data_age: 1m, expect_state: trading }'))
    const { ladder: _off, ...rest } = asked.heartbeat ?? {}
    assert.deepEqual(rest, { timeoutMs: 5000, maxDataAgeMs: 60_000, expectState: 'trading' })
    assert.equal(only(vida('heartbeat: off')).heartbeat, null)
    assert.match(problem(vida('heartbeat: { expect_state: tradin }')).message, /catching_up/)
  })

  test('takes the ladder of stale modules rung by rung, and a recovery only where there is one', () => {
    const asked = only(vida('heartbeat: { ladder: { pause: 30s, restart: 5m } }'))
    assert.deepEqual(asked.heartbeat?.ladder, { pauseMs: 30_000, recoverMs: null, restartMs: 300_000 })
    const without = problem(vida('heartbeat: { ladder: { recover: 2m } }'))
    assert.match(without.message, /there is no `recover:`/)
  })

  test('says which sections it checked though nothing acts on them', () => {
    assert.deepEqual(load(`${vida('')}\nsafety: { x: 1 }\npanel: { x: 1 }\n`).inactive, ['safety', 'panel'])
  })
})

describe('paths', () => {
  test('are relative to the file that names them, also in included files and defaults', () => {
    const extra = {
      '/srv/sipa/sub/more.yaml': 'modules: { roko: { command: ./run.sh, env_file: [r.env] } }',
      '/srv/sipa/sub/run.sh': '',
      '/srv/sipa/sub/r.env': 'A=1',
      '/srv/sipa/jobs/x': '',
    }
    const [luka, roko] = load(
      'include: [sub/more.yaml]\ndefaults: { working_dir: jobs }\nmodules: { luka: { command: sleep 1 } }',
      { extra },
    ).modules
    assert.equal(luka?.workingDir, '/srv/sipa/jobs')
    assert.equal(roko?.workingDir, '/srv/sipa/jobs')
    assert.deepEqual(roko?.argv, ['/srv/sipa/sub/run.sh'])
    assert.deepEqual(roko?.envFiles, ['/srv/sipa/sub/r.env'])
  })

  test('of an included module without a working_dir is the directory of its own file', () => {
    const extra = { '/srv/sipa/sub/more.yaml': 'modules: { roko: { command: sleep 1 } }' }
    assert.equal(only('include: sub/more.yaml', { extra }).workingDir, '/srv/sipa/sub')
  })
})

describe('defaults', () => {
  test('are merged key by key, lists are replaced, and a key without a value takes one back', () => {
    const yaml = [
      'defaults:',
      '  restart: { delay: 9s, jitter: 0 }',
      '  secrets: [A]',
      '  environment: { X: 1, Y: 2 }',
      '  silence: 5m',
      'secrets: { A: { env: A }, B: { env: B } }',
      'modules:',
      '  v: { command: sleep 1, restart: { jitter: 0.5 }, secrets: [B], environment: { Y: 3 }, silence: }',
    ].join('\n')
    const spec = only(yaml)
    assert.equal(spec.restart.delayMs, 9000)
    assert.equal(spec.restart.jitter, 0.5)
    assert.deepEqual(spec.secrets, ['B'])
    assert.equal(spec.environment.X, '1')
    assert.equal(spec.environment.Y, '3')
    assert.equal(spec.silenceMs, null)
  })

  test('of another kind of question give way to the one a module asks', () => {
    const yaml = `defaults: { ready: { http: "http://[::1]/", timeout: 9s } }\n${vida('ready: { tcp: 80 }')}`
    assert.deepEqual(only(yaml).ready, {
      kind: 'tcp',
      host: '127.0.0.1',
      port: 80,
      timeoutMs: 9000,
      intervalMs: 1000,
    })
  })

  test('with a fault are complained about once, not for every module', () => {
    assert.equal(
      problem(`defaults: { restart: { delay: soon } }\n${vida('')}\n  b: { command: sleep 1 }`).line,
      1,
    )
  })
})

describe('compose spellings', () => {
  test('mean what they mean there', () => {
    const spec = only(
      vida(
        [
          'healthcheck: { test: [CMD, sleep, "0"], interval: 7s, retries: 4 }',
          'stop_signal: int',
          'stop_grace_period: 4s',
          'restart: on-failure',
          'environment: [A=b=c]',
        ].join('\n'),
      ),
    )
    assert.deepEqual(spec.health?.probe, { kind: 'exec', argv: ['sleep', '0'] })
    assert.equal(spec.health?.intervalMs, 7000)
    assert.equal(spec.health?.failures, 4)
    assert.equal(spec.stop.signal, 'SIGINT')
    assert.equal(spec.stop.graceMs, 4000)
    assert.equal(spec.restart.policy, 'on-failure')
    assert.equal(spec.environment.A, 'b=c')
    assert.equal(only(vida('restart: no')).restart.policy, 'never')
    assert.equal(only(vida('healthcheck: { test: [NONE] }')).health, null)
    assert.deepEqual(only(vida('healthcheck: { test: "sleep 1 && sleep 2" }')).health?.probe, {
      kind: 'exec',
      argv: ['/bin/sh', '-c', 'sleep 1 && sleep 2'],
    })
  })

  test('with another meaning get the name MARK has for it', () => {
    assert.match(problem(vida('mem_limit: 1G')).hint ?? '', /limits: \{ memory/)
  })
})

describe('virtualenv', () => {
  const venv = { '/srv/sipa/env/bin/python': '', '/srv/sipa/env/bin/bot': '' }

  test('is activated: its programs come first and PYTHONHOME is out of the way', () => {
    const { environment, argv } = only(
      'modules: { v: { command: bot, virtualenv: ./env, env_file: e.env } }',
      {
        extra: { ...venv, '/srv/sipa/e.env': 'PYTHONHOME=/x\n' },
      },
    )
    assert.equal(environment.PATH, '/srv/sipa/env/bin:/bin')
    assert.equal(environment.VIRTUAL_ENV, '/srv/sipa/env')
    assert.equal(environment.PYTHONHOME, '')
    assert.deepEqual(argv, ['bot'])
  })

  test('that is missing is refused with the command that makes it', () => {
    const found = problem(vida('virtualenv: ./env'))
    assert.equal(found.code, 'MARK_PREFLIGHT')
    assert.equal(found.hint, 'create it: python3 -m venv /srv/sipa/env')
    assert.match(
      problem(vida('virtualenv: ./env'), { extra: { '/srv/sipa/env/lib/x': '' } }).message,
      /has no bin\/python/,
    )
  })
})

describe('mode, autonomy and strategy', () => {
  const env = { '/srv/sipa/.env': 'MODE=live\nAUTONOMY=MANUAL\n' }

  test('are found in .env and reach every module', () => {
    const plan = load(vida(''), { extra: env })
    assert.deepEqual([plan.mode, plan.autonomy, plan.strategy], ['REAL', 'MANUAL', 'NORMAL'])
    assert.equal(plan.modules[0]?.environment.MODE, 'REAL')
  })

  test('said twice alike are fine, whatever the spelling', () => {
    assert.equal(load(`mode: real\n${vida('')}`, { extra: env, flags: { mode: 'REAL' } }).mode, 'REAL')
    assert.equal(load(`mode: testnet\n${vida('')}`).mode, 'TEST')
  })

  test('that disagree are an error, never a precedence', () => {
    assert.match(
      problem(`mode: TEST\n${vida('')}`, { extra: env }).message,
      /TEST in mark.yaml and REAL in .*\.env/,
    )
    assert.match(problem(`mode: TEST\n${vida('')}`, { flags: { mode: 'REAL' } }).message, /REAL in --mode/)
    assert.match(problem(vida('environment: { MODE: REAL }')).message, /MODE is TEST for the fleet/)
  })
})

describe('variables and secrets', () => {
  test('that are required must be set and not empty', () => {
    const found = refusal(`required_env: [HOME, NOPE]\n${vida('required_env: [ALSO_NOT]')}`)
    assert.equal(found.code, 'MARK_ENVIRONMENT')
    assert.deepEqual(
      found.problems.map(({ path }) => path),
      ['required_env[1]', 'modules.vida.required_env[0]'],
    )
  })

  test('the plan names secrets and never holds a value', () => {
    const plan = load(`secrets: { S: { env: SECRET_OF_CALLER, modes: [REAL] } }\n${vida('secrets: [S]')}`)
    assert.deepEqual(plan.secrets.S, { kind: 'env', name: 'SECRET_OF_CALLER', modes: ['REAL'] })
    assert.ok(!JSON.stringify(plan).includes('hush'))
  })

  test('in the fleet .env that reach nobody are pointed out, without their values', () => {
    const { warnings } = loadConfig(
      request(vida('silence: 5m'), { extra: { '/srv/sipa/.env': 'A=1\nAPI_KEY=hush\n' } }),
    )
    assert.equal(warnings.length, 1)
    assert.equal(warnings[0]?.line, 2)
    assert.ok(!formatProblems(warnings, '/srv/sipa').includes('hush'))
  })

  test('written as literals are pointed out, and no error shows them', () => {
    const { warnings } = loadConfig(request(vida('silence: 5m\nenvironment: { API_KEY: hush }')))
    assert.match(formatProblems(warnings, '/srv/sipa'), /looks like a secret/)
    assert.ok(!formatProblems(warnings, '/srv/sipa').includes('hush'))
    const error = refusal(vida('environment: { API_KEY: hush, X: [1] }'))
    assert.ok(!error.message.includes('hush'), error.message)
  })

  test('a changed env file changes the module', () => {
    const at = (text: string): string =>
      only(vida('env_file: a.env'), { extra: { '/srv/sipa/a.env': text } }).envDigest
    assert.notEqual(at('A=1'), at('A=2'))
    assert.equal(at('A=1'), at('A=1'))
  })

  test('of an env file that is missing refuse the start', () => {
    assert.match(problem(vida('env_file: [a.env]')).message, /\/srv\/sipa\/a\.env does not exist/)
  })

  test('users need root', () => {
    assert.match(problem(vida('user: bob'), { uid: 1000 }).message, /needs root/)
    assert.equal(only(vida('user: bob')).user, 'bob')
  })
})

describe('budgets', () => {
  test('nobody wrote are widened until long delays can spend them', () => {
    const { budget } = only(vida('restart: { delay: 10m }')).restart
    assert.ok((budget[0]?.windowMs ?? 0) > 4 * 600_000)
    assert.equal(budget[0]?.count, 5)
  })

  test('that were written are kept as they are', () => {
    assert.deepEqual(only(vida('restart: { budget: 3/1m, delay: 1s }')).restart.budget, [
      { count: 3, windowMs: 60_000 },
    ])
  })
})
