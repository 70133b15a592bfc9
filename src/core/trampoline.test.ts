import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TrampolineSpec, trampoline } from './trampoline.ts'

const PLAIN: TrampolineSpec = {
  argv: ['/bin/luka', '--pair', 'BTC EUR'],
  user: null,
  umask: null,
  ulimits: {},
}

test('a module that asks for nothing is started as it is', () => {
  assert.deepEqual(trampoline(PLAIN), PLAIN.argv)
  assert.deepEqual(trampoline({ ...PLAIN, umask: '022' }), PLAIN.argv)
})

test('limits are raised before the user is given up, the umask is set last, the argv stays as it is', () => {
  const argv = trampoline({
    ...PLAIN,
    user: { uid: 1000, gid: 100 },
    umask: '077',
    ulimits: { nofile: 4096, core: 0 },
  })
  assert.deepEqual(argv, [
    ...['prlimit', '--nofile=4096:4096', '--core=0:0', '--'],
    ...['setpriv', '--reuid=1000', '--regid=100', '--init-groups', '--no-new-privs', '--'],
    ...['sh', '-c', 'umask "$0" && exec "$@"', '077'],
    ...PLAIN.argv,
  ])
})

test('root as the user is still a change of user', () => {
  assert.equal(trampoline({ ...PLAIN, user: { uid: 0, gid: 0 } })[0], 'setpriv')
})

test('no shell ever reads a word of the argv', () => {
  const argv = trampoline({ ...PLAIN, argv: ['$(reboot)', ';', '`x`'], umask: '077' })
  assert.deepEqual(argv.slice(0, 4), ['sh', '-c', 'umask "$0" && exec "$@"', '077'])
  assert.deepEqual(argv.slice(4), ['$(reboot)', ';', '`x`'])
})
