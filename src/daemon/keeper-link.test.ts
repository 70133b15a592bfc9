import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ask, Push } from '../contract/keeper.ts'
import type { ModuleView } from '../core/view.ts'
import { KeeperLink } from './keeper-link.ts'

const module = (state: string): Push =>
  ({ push: 'module', module: { name: 'vida', state } as unknown as ModuleView }) as Push

test('what is pushed while a new plan is fetched comes after it, in order', async () => {
  let push: (value: Push) => void = () => {}
  const told: string[] = []
  const connection = {
    ask: async (ask: Ask) => {
      // The answer about the new plan is already on its way when the module changes.
      if (ask.ask === 'state') queueMicrotask(() => push(module('ready')))
      return ask.ask === 'plan' ? { plan: null } : { modules: [] }
    },
    onPush: (callback: (value: Push) => void) => {
      push = callback
    },
    onClose: () => {},
    close: () => {},
  }
  const planned = Promise.withResolvers<void>()
  const up = Promise.withResolvers<void>()
  const link = new KeeperLink(
    async () => connection,
    { pid: 1, version: '0' },
    {
      beforeHello: async () => {},
      up: () => up.resolve(),
      push: value => void told.push(value.push === 'module' ? value.module.state : value.push),
      planned: () => {
        told.push('planned')
        planned.resolve()
      },
      down: () => {},
    },
  )
  link.start()
  await up.promise
  await new Promise(resolve => setImmediate(resolve))
  push({ push: 'plan' })
  push(module('starting'))
  await planned.promise
  await new Promise(resolve => setImmediate(resolve))
  push(module('stopped'))
  assert.deepEqual(told, ['planned', 'starting', 'ready', 'stopped'])
  link.close()
})
