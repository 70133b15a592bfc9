/**
 * Two bots for system tests, one with the Python SDK and one with that for Node: they beat five times a
 * second, count in a PersistentMap, and write down what they are told and the longest their loop ever stood.
 * Files beside them say how they are: `<name>.frozen`, `<name>.stopped`.
 */
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')

export const PYTHON_BOT = `import os, time
import mark_sdk as mark
name = os.environ['MARK_MODULE']
book = mark.PersistentMap('book')
print('begins with', book.get('n', 0), flush=True)
mark.on_pause(lambda reason: print('told pause:', reason, flush=True))
mark.on_resume(lambda: print('told resume', flush=True))
tick = time.time()
worst = 0.0
mark.ready()
mark.reconciled(True, 'all agree')
while True:
    if not os.path.exists(name + '.frozen'):
        tick = time.time()
    state = 'stopped' if os.path.exists(name + '.stopped') else 'trading'
    began = time.monotonic()
    try:
        mark.heartbeat(state=state, feeds={'BTC': int(tick * 1000)}, open_orders=2)
        mark.metric('loops', book.get('n', 0))
        book['n'] = book.get('n', 0) + 1
    except Exception as error:
        print('threw', repr(error), flush=True)
    took = time.monotonic() - began
    if took > worst:
        worst = took
        print('worst', round(worst * 1000, 1), flush=True)
    time.sleep(0.2)
`

export const NODE_BOT = `import { existsSync } from 'node:fs'
import * as mark from '${ROOT}/src/sdk/sdk.ts'
const { heartbeat, metric, onPause, onResume, PersistentMap, ready, reconciled } = mark
const name = process.env.MARK_MODULE
const book = await PersistentMap.open('book')
const say = (...words) => console.log(...words)
say('begins with', book.get('n') ?? 0)
onPause(reason => say('told pause:', reason))
onResume(() => say('told resume'))
let tick = Date.now()
let worst = 0
ready()
reconciled(true, 'all agree')
setInterval(() => {
  if (!existsSync(name + '.frozen')) tick = Date.now()
  const state = existsSync(name + '.stopped') ? 'stopped' : 'trading'
  const began = performance.now()
  try {
    heartbeat({ state, feeds: { BTC: tick }, open_orders: 2 })
    metric('loops', book.get('n') ?? 0)
    book.set('n', (book.get('n') ?? 0) + 1)
  } catch (error) {
    say('threw', String(error))
  }
  const took = performance.now() - began
  if (took > worst) say('worst', (worst = Math.round(took * 10) / 10))
}, 200)
`

/** A module of mark.yaml; `more` are its further keys, indented by four. */
export function botModule(name: string, kind: 'python' | 'node', more: string): string {
  const command = kind === 'python' ? '[python3, bot.py]' : `[${process.execPath}, bot.ts]`
  return `  ${name}:
    command: ${command}
    environment: { PYTHONPATH: ${ROOT}/python/src }
    ready: { notify: true, timeout: 60s }
${more}`
}
