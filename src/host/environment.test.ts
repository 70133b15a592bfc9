import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { MarkError } from '../core/errors.ts'
import type { ModuleSpec, Plan, SecretSource } from '../core/plan.ts'
import {
  fetchExecSecrets,
  type Given,
  moduleEnvironment,
  readEnvFile,
  readSecretsEnv,
  resolveSecret,
  type SecretContext,
  writeSecretsEnv,
} from './environment.ts'
import { stateDirAt } from './state-dir.ts'

let root: string
const CANARY = 'canary-7f3a'

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'environment-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function file(name: string, text: string, mode = 0o600): string {
  const path = join(root, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

function module(name: string, change: Partial<ModuleSpec> = {}): ModuleSpec {
  return { name, environment: {}, envFiles: [], secrets: [], ...change } as ModuleSpec
}

function plan(modules: ModuleSpec[], change: Partial<Plan> = {}): Plan {
  const fleetEnvFiles = [join(root, '.env')]
  return {
    mode: 'TEST',
    root,
    fleetEnvFiles,
    baseEnvironment: { PATH: '/bin' },
    secrets: {},
    modules,
    ...change,
  } as Plan
}

const GIVEN: Given = { callerSecrets: {}, markVariables: {} }

function refused(pattern: RegExp): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof MarkError)
    assert.equal(error.code, 'MARK_ENVIRONMENT')
    assert.match(error.message, pattern)
    assert.doesNotMatch(`${error.message} ${error.hint} ${error.stack}`, new RegExp(CANARY))
    return true
  }
}

function secret(source: SecretSource, context: Partial<SecretContext> = {}): string | null {
  return resolveSecret('S', source, { callerSecrets: {}, mode: 'TEST', ...context })
}

test("later wins: base, fleet's file, module's file, what the config declares, secrets, MARK", () => {
  const fleet = file('.env', 'A=fleet\nB=fleet\nC=fleet\nD=fleet\nPATH=/fleet\n')
  const own = file('own.env', 'B=own\nC=own\nD=own\n')
  const spec = module('vida', {
    envFiles: [fleet, own],
    environment: { C: 'declared', D: 'declared' },
    secrets: ['D'],
  })
  const given = { ...GIVEN, callerSecrets: { D_FROM: 'secret' }, markVariables: { MARK_MODULE: 'vida' } }
  const secrets: Plan['secrets'] = { D: { kind: 'env', name: 'D_FROM', modes: null } }
  assert.deepEqual(
    moduleEnvironment(plan([spec, module('b', { envFiles: [fleet] })], { secrets }), spec, given),
    {
      PYTHONUNBUFFERED: '1',
      PATH: '/fleet',
      A: 'fleet',
      B: 'own',
      C: 'declared',
      D: 'secret',
      MARK_MODULE: 'vida',
    },
  )
})

test("nothing of the caller's environment reaches a module by itself", () => {
  const spec = module('vida', { environment: { PYTHONUNBUFFERED: '' } })
  const given = { ...GIVEN, callerSecrets: { KRAKEN_API_KEY: CANARY } }
  assert.deepEqual(moduleEnvironment(plan([spec]), spec, given), { PATH: '/bin', PYTHONUNBUFFERED: '' })
})

test("secrets in a fleet file reach only those who list them; a module's own file is all its", () => {
  const fleet = file('.env', 'MODE_X=1\nKRAKEN_API_KEY=k\nDb_Password=p\nTG_TOKEN=t\nMY_SECRET=s\n')
  const own = file('own.env', 'OWN_TOKEN=o\n')
  const lists = module('vida', { envFiles: [fleet, own], secrets: ['KRAKEN_API_KEY'] })
  const other = module('luka', { envFiles: [fleet] })
  const both = plan([lists, other])
  const base = { PATH: '/bin', PYTHONUNBUFFERED: '1', MODE_X: '1' }
  assert.deepEqual(moduleEnvironment(both, lists, GIVEN), { ...base, KRAKEN_API_KEY: 'k', OWN_TOKEN: 'o' })
  assert.deepEqual(moduleEnvironment(both, other, GIVEN), base)
  assert.deepEqual(moduleEnvironment(plan([lists]), lists, GIVEN), {
    ...base,
    KRAKEN_API_KEY: 'k',
    OWN_TOKEN: 'o',
  })
})

test('a secret of another mode reaches nobody, from no source', () => {
  const fleet = file('.env', `KRAKEN_API_KEY=${CANARY}\n`)
  const spec = module('vida', { envFiles: [fleet], secrets: ['KRAKEN_API_KEY'] })
  const secrets: Plan['secrets'] = {
    KRAKEN_API_KEY: { kind: 'env', name: 'KRAKEN_API_KEY', modes: ['REAL'] },
  }
  const given = { ...GIVEN, callerSecrets: { KRAKEN_API_KEY: CANARY } }
  const test = moduleEnvironment(plan([spec], { secrets }), spec, given)
  assert.equal(JSON.stringify(test).includes(CANARY), false)
  assert.equal(moduleEnvironment(plan([spec], { secrets, mode: 'REAL' }), spec, given).KRAKEN_API_KEY, CANARY)
  const declares = { ...spec, environment: { KRAKEN_API_KEY: 'for-tests' } }
  assert.equal(moduleEnvironment(plan([spec], { secrets }), declares, given).KRAKEN_API_KEY, 'for-tests')
})

test('a declared secret of any name reaches only who lists it', () => {
  const fleet = file(
    '.env',
    `TG=${CANARY}
`,
  )
  const spec = module('vida', { envFiles: [fleet] })
  const secrets: Plan['secrets'] = { TG: { kind: 'env', name: 'TG', modes: null } }
  assert.equal(moduleEnvironment(plan([spec], { secrets }), spec, GIVEN).TG, undefined)
  assert.equal(moduleEnvironment(plan([spec], { secrets }), { ...spec, secrets: ['TG'] }, GIVEN).TG, CANARY)
})

test('a listed secret without a value refuses the start by name', () => {
  const spec = module('vida', { secrets: ['KRAKEN_API_KEY'] })
  const secrets: Plan['secrets'] = { KRAKEN_API_KEY: { kind: 'env', name: 'KRAKEN', modes: null } }
  assert.throws(
    () => moduleEnvironment(plan([spec], { secrets }), spec, GIVEN),
    refused(/KRAKEN_API_KEY of vida/),
  )
})

test('an env file that is missing, a directory or a FIFO refuses the start by its path', () => {
  mkdirSync(join(root, 'dir'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  for (const name of ['missing', 'dir', 'fifo']) {
    assert.throws(() => readEnvFile(join(root, name)), refused(new RegExp(name)), name)
  }
})

test('env files are read as dotenv writes them', () => {
  const path = file('.env', '# comment\nA=1\nexport B="two words"\nC=\'$x\'\nD=a=b\n\nE=\n')
  assert.deepEqual(readEnvFile(path), { A: '1', B: 'two words', C: '$x', D: 'a=b', E: '' })
})

test('each kind of source gives its value without its one last newline', () => {
  assert.equal(secret({ kind: 'env', name: 'X', modes: null }, { callerSecrets: { X: 'x\n' } }), 'x\n')
  assert.equal(secret({ kind: 'file', path: file('s', 'x\n\n'), modes: null }), 'x\n')
  assert.equal(secret({ kind: 'exec', argv: ['printf', 'a b\\n'], modes: null }), 'a b')
  file('cred', 'c')
  assert.equal(secret({ kind: 'credential', name: 'cred', modes: null }, { credentialsDir: root }), 'c')
  assert.equal(secret({ kind: 'credential', name: 'cred', modes: null }), null)
  assert.equal(secret({ kind: 'env', name: 'X', modes: null }), null)
  assert.equal(secret({ kind: 'file', path: '/missing', modes: ['REAL'] }), null, 'not even looked at')
})

test('a secret file that everybody may write is refused, one that others may read is not', () => {
  assert.throws(
    () => secret({ kind: 'file', path: file('s', CANARY, 0o606), modes: null }),
    refused(/written by everybody/),
  )
  assert.equal(secret({ kind: 'file', path: file('r', 'x', 0o444), modes: null }), 'x')
  assert.throws(() => secret({ kind: 'file', path: join(root, 'none'), modes: null }), refused(/none/))
})

test('a program that fails says how, never what it printed', () => {
  const fails = (argv: string[], pattern: RegExp): void => {
    assert.throws(() => secret({ kind: 'exec', argv, modes: null }), refused(pattern))
  }
  fails(['sh', '-c', `echo ${CANARY}; echo ${CANARY} >&2; exit 3`], /program for the secret S failed/)
  fails([join(root, 'missing')], /ENOENT/)
  fails(['sh', '-c', 'head -c 100000 /dev/zero'], /failed/)
})

test('programs are run side by side without blocking, and what they gave is used', async () => {
  const argv = ['sh', '-c', 'sleep 0.3; echo "$NAME"']
  const secrets: Plan['secrets'] = {
    A: { kind: 'exec', argv, modes: null },
    B: { kind: 'exec', argv, modes: null },
    C: { kind: 'exec', argv, modes: ['REAL'] },
    D: { kind: 'env', name: 'D', modes: null },
  }
  const spec = module('vida', { secrets: ['A', 'B', 'C'] })
  const fleet = plan([spec], { secrets, baseEnvironment: { PATH: '/usr/bin:/bin', NAME: 'me' } })
  let turns = 0
  const timer = setInterval(() => turns++, 10)
  const values = await fetchExecSecrets(fleet, ['A', 'B', 'C', 'D', 'unknown'])
  clearInterval(timer)
  assert.deepEqual(values, { A: 'me', B: 'me' })
  assert.ok(turns > 5)
  const began = performance.now()
  const environment = moduleEnvironment(fleet, spec, { ...GIVEN, execSecrets: values })
  assert.ok(performance.now() - began < 100, 'nothing was run')
  assert.deepEqual([environment.A, environment.B, environment.C], ['me', 'me', undefined])
  const broken = plan([spec], { secrets: { A: { kind: 'exec', argv: ['false'], modes: null } } })
  await assert.rejects(fetchExecSecrets(broken, ['A']), refused(/secret A failed/))
})

test('secrets that are kept come back as they were, readable by their owner only', () => {
  const state = stateDirAt(root, '/run/none')
  assert.deepEqual(readSecretsEnv(state), {})
  const values = fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,20}$/), fc.string({ unit: 'binary' }), {
    minKeys: 1,
  })
  fc.assert(
    fc.property(values, wanted => {
      writeSecretsEnv(state, wanted)
      assert.deepEqual(readSecretsEnv(state), JSON.parse(JSON.stringify({ ...wanted })))
    }),
    { numRuns: 30 },
  )
  assert.equal(statSync(state.secretsEnv).mode & 0o777, 0o600)
  writeSecretsEnv(state, {})
  assert.equal(existsSync(state.secretsEnv), false)
})
