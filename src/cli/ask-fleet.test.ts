import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { lockHolder } from '../host/lock-holder.ts'
import { makeStateDir } from '../host/make-state-dir.ts'
import { type StateDir, stateDirAt } from '../host/state-dir.ts'
import { askFleet } from './ask-fleet.ts'
import type { CliContext } from './context.ts'

/** A daemon that says so of a fleet with one module, and a keeper that holds its lock and does not listen. */
async function between(context: TestContext, pid: number, isHeld: boolean): Promise<StateDir> {
  const dir = mkdtempSync(join(tmpdir(), 'ask-'))
  const state = stateDirAt(dir, join(dir, 'sockets'))
  makeStateDir(state)
  mkdirSync(state.socketDir, { recursive: true })
  const degraded = ['the keeper is away']
  const document = { fleet: 'f', state: 'degraded', keeper: null, modules: [{ name: 'luka', pid }], degraded }
  const daemon = createServer((_request, response) => response.end(JSON.stringify(document)))
  daemon.listen(state.daemonSocket)
  await once(daemon, 'listening')
  // It names the lock all the while: in the middle of an exec a process has no arguments.
  const hold = ['-F', state.keeperLock, 'sh', '-c', 'echo held; read end', state.keeperLock]
  const holder = isHeld ? spawn('flock', hold, { stdio: ['pipe', 'pipe', 'ignore'] }) : null
  if (holder) await once(holder.stdout, 'data')
  context.after(async () => {
    daemon.close()
    holder?.kill('SIGKILL')
    if (holder) await once(holder, 'exit')
    rmSync(dir, { recursive: true })
  })
  return state
}

const ask = (state: StateDir) => askFleet({ stateDir: () => state } as unknown as CliContext)

test('while a keeper is succeeded the daemon is believed, for its modules live', async context => {
  const state = await between(context, process.pid, true)
  const { source, document, deserted } = await ask(state)
  assert.deepEqual([source, document.degraded, deserted], ['daemon', ['the keeper is away'], false])
  assert.equal(document.keeper?.pid, lockHolder(state.keeperLock))
})

test('a daemon that names a process which is gone is not believed: the disk is', async context => {
  const gone = spawn('true')
  await once(gone, 'exit')
  const { source, document } = await ask(await between(context, gone.pid as number, true))
  assert.deepEqual([source, document.modules], ['disk', []])
})

test('where nobody holds the lock no successor is waited for', async context => {
  assert.equal((await ask(await between(context, process.pid, false))).source, 'disk')
})
