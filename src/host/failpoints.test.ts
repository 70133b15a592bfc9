import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hearing, World } from '../core/world.ts'
import { FAILPOINTS, type Harm, takeFailpoints } from './failpoints.ts'

/** A world that writes down what was called, and what the failpoints did in between. */
function told(wishes: string | undefined, debug: string | undefined = '1') {
  const did: string[] = []
  const part = (...names: string[]): Record<string, (given?: unknown) => string> =>
    Object.fromEntries(
      names.map(name => [
        name,
        () => {
          did.push(name)
          return `answer of ${name}`
        },
      ]),
    )
  const harm: Harm = {
    signal: signal => did.push(signal),
    exit: code => did.push(`exit ${code}`),
    wait: ms => did.push(`${ms} ms`),
  }
  const store = part(
    ...['saveRun', 'removeRun', 'saveChildren', 'savePlan', 'saveSecrets', 'journal', 'settle'],
  )
  const latches = part('read', 'trip', 'complete', 'release', 'halt')
  const processes = part('spawn', 'adopt', 'signal', 'kill', 'sweep', 'hook', 'markLogEnd')
  const env: Record<string, string | undefined> = { MARK_FAILPOINT: wishes, MARK_DEBUG: debug }
  const world = { store, latches, processes } as unknown as World
  const hearings: Hearing[] = []
  Object.assign(processes, { listen: (hearing: Hearing) => hearings.push(hearing) })
  takeFailpoints(env, harm)(world)
  return { world, did, env, processes: processes as unknown as { listen(hearing: Hearing): void }, hearings }
}

const spawn = (world: World): unknown => world.processes.spawn({} as never)

test('a point acts before or after its call, once, and the call is what it was', () => {
  const { world, did } = told('before-spawn:stop,after-spawn:kill')
  assert.equal(spawn(world), 'answer of spawn')
  spawn(world)
  assert.deepEqual(did, ['SIGSTOP', 'spawn', 'SIGKILL', 'spawn'])
})

test('@ names the call, and a delay without one comes every time', () => {
  const { world, did } = told('before-settle:exit@2, after-settle:delay=50')
  for (let count = 0; count < 3; count++) world.store.settle()
  assert.deepEqual(did, ['settle', '50 ms', 'exit 1', 'settle', '50 ms', 'settle', '50 ms'])
})

test('the intent of a start and any other save are different points', () => {
  const { world, did } = told('after-run-intent:kill,before-run-record:stop')
  const save = (text: string): void =>
    world.store.saveChildren({ children: new Map([['m', text]]), changed: new Set(['m']) } as never)
  save('{"run":null}')
  save('{"run":{"id":"R","pid":null}}')
  world.store.saveRun({ pid: 7 } as never)
  assert.deepEqual(did, ['saveChildren', 'saveChildren', 'SIGKILL', 'SIGSTOP', 'saveRun'])
})

test('an exit can be lost between the kernel and the keeper', () => {
  const { did, processes, hearings } = told('before-exit:kill')
  const hearing = { exited: () => did.push('heard') } as unknown as Hearing
  processes.listen(hearing)
  hearings[0]?.exited('R1', {} as never)
  assert.deepEqual(did, ['SIGKILL', 'heard'])
})

test('what follows a semicolon is left for the successor alone', () => {
  const { env } = told('after-trip:kill;after-adopt:stop;after-save:exit')
  assert.equal(env.MARK_FAILPOINT, 'after-adopt:stop;after-save:exit')
  assert.equal('MARK_FAILPOINT' in told('after-trip:kill').env, false)
})

test('without MARK_DEBUG=1 nothing is read and no call is touched', () => {
  for (const debug of [undefined, '0', '']) {
    const env = { MARK_FAILPOINT: 'nonsense', MARK_DEBUG: debug }
    const store = { settle: () => {} }
    const world = { store } as unknown as World
    assert.equal(takeFailpoints(env)(world), world)
    assert.equal(world.store.settle, store.settle)
    assert.equal(env.MARK_FAILPOINT, 'nonsense')
  }
})

test('a wish that cannot be read is refused by name', () => {
  for (const wish of ['spawn:kill', 'after-spwan:kill', 'after-spawn:die', 'after-spawn:delay', 'after-exit'])
    assert.throws(
      () => told(`after-save:kill,${wish}`),
      new RegExp(`MARK_FAILPOINT: ${wish} is no failpoint`),
    )
})

test('every point that is named can be reached', () => {
  assert.ok(FAILPOINTS.length >= 20)
  for (const name of FAILPOINTS) assert.doesNotThrow(() => told(`before-${name}:kill,after-${name}:exit@2`))
})
