import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findPlace, openStateDir } from './place.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'mark-place-')))
after(() => rmSync(root, { recursive: true, force: true }))
const deep = join(root, 'a', 'b')
mkdirSync(deep, { recursive: true })
writeFileSync(join(root, 'mark.yaml'), '')
const base = { cwd: deep, env: {}, file: null, stateDir: null }

test('the nearest mark.yaml above names the fleet, and .mark lies beside it', () => {
  assert.deepEqual(findPlace(base), { configFile: join(root, 'mark.yaml'), stateDir: join(root, '.mark') })
})

test('--state-dir wins over MARK_STATE_DIR, which wins over the directory', () => {
  const env = { MARK_STATE_DIR: '/somewhere' }
  assert.equal(findPlace({ ...base, env }).stateDir, '/somewhere')
  assert.equal(findPlace({ ...base, env, stateDir: 'x' }).stateDir, join(deep, 'x'))
})

test('inside a module MARK_STATE_DIR is the module’s own, and is not taken for the fleet’s', () => {
  const env = { MARK_STATE_DIR: '/somewhere', MARK_MODULE: 'vida' }
  assert.equal(findPlace({ ...base, env }).stateDir, join(root, '.mark'))
})

test('a link to the state directory and the directory itself are one fleet', () => {
  const real = join(root, 'real')
  mkdirSync(real)
  symlinkSync(real, join(root, 'link'))
  assert.equal(findPlace({ ...base, stateDir: join(root, 'link') }).stateDir, real)
})

test('the sockets are where the link `run` says', () => {
  const dir = join(root, 'with-run')
  mkdirSync(dir)
  symlinkSync('/run/elsewhere', join(dir, 'run'))
  assert.equal(openStateDir(dir, { env: {}, uid: 1000 }).keeperSocket, '/run/elsewhere/keeper.sock')
})
