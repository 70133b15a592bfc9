import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Plan } from '../core/plan.ts'
import { writeSecretsEnv } from '../host/environment.ts'
import { makeStateDir } from '../host/make-state-dir.ts'
import { stateDirAt } from '../host/state-dir.ts'
import { knownSecrets } from './secret-values.ts'

test('every source that can be read without running anything is known, whatever its mode', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-secrets-'))
  try {
    const state = stateDirAt(join(dir, '.mark'), dir)
    makeStateDir(state)
    writeSecretsEnv(state, { A: 'from-the-caller' })
    const file = (name: string, text: string): string => {
      writeFileSync(join(dir, name), text)
      chmodSync(join(dir, name), 0o600)
      return join(dir, name)
    }
    file('credential', 'from-systemd\n')
    const env = file(
      '.env',
      'LUKA_TOKEN=from-env-file-7\nKEYBOARD=default\nCERT_KEY_PATH=/etc/x.pem\nPLAIN=word-1234\n',
    )
    const plan = {
      mode: 'TEST',
      secrets: {
        A: { kind: 'env', name: 'A', modes: null },
        B: { kind: 'file', path: file('b', 'from-a-file\n'), modes: ['REAL'] },
        C: { kind: 'credential', name: 'credential', modes: null },
        D: { kind: 'file', path: join(dir, 'absent'), modes: null },
        E: { kind: 'exec', argv: ['/bin/false'], modes: null },
      },
      fleetEnvFiles: [env, join(dir, 'absent.env')],
      modules: [{ envFiles: [env], environment: { DB_PASS: 'Declared-1' } }],
    } as unknown as Plan
    assert.deepEqual(
      new Set(knownSecrets(plan, state, dir)),
      new Set(['from-the-caller', 'from-a-file', 'from-systemd', 'from-env-file-7', 'Declared-1']),
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
