import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { parseRequest } from '../contract/keeper.ts'
import type { ModuleView } from '../core/view.ts'
import { KeeperClient } from '../host/line-socket.ts'
import { Follow } from './follow.ts'

const view = (name: string, state: string): ModuleView =>
  ({ name, state, run_id: 'R', pid: 1, reason: '' }) as unknown as ModuleView

test('what happens in the moment of an answer is not undone by that answer', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-follow-'))
  const path = join(dir, 'k.sock')
  const starting = [view('luka', 'starting'), view('vida', 'starting')]
  const server = createServer(socket => {
    createInterface(socket).on('line', line => {
      const { id, ask } = parseRequest(line)
      const answer = { id, ok: true, value: { state: 'starting', modules: starting } }
      const pushes = starting.map(({ name }) => ({ push: 'module', module: view(name, 'ready') }))
      // In one piece, as a busy reader finds them.
      const lines = ask === 'state' ? [answer, ...pushes] : [answer]
      socket.write(lines.map(value => `${JSON.stringify(value)}\n`).join(''))
    })
  })
  await new Promise<void>(resolve => server.listen(path, () => resolve()))
  const keeper = await KeeperClient.connect(path, 1000)
  try {
    const follow = await Follow.start(keeper)
    await follow.refresh()
    const ready = (): boolean => [...follow.views.values()].every(({ state }) => state === 'ready')
    assert.equal(await follow.until(ready, 3000), 'met')
    assert.equal(follow.views.size, 2)
  } finally {
    keeper.close()
    server.close()
    rmSync(dir, { recursive: true, force: true })
  }
})
