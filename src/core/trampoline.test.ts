import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  startRefusal,
  type TrampolineSpec,
  type TrampolineTools,
  trampoline,
  trampolineLacks,
} from './trampoline.ts'

const PLAIN: TrampolineSpec = {
  argv: ['/bin/luka', '--pair', 'BTC EUR'],
  user: null,
  umask: null,
  ulimits: {},
}
const TOOLS: TrampolineTools = {
  sh: '/bin/sh',
  bash: '/bin/bash',
  prlimit: '/usr/bin/prlimit',
  setpriv: '/usr/bin/setpriv',
}

test('a module that asks for nothing is started as it is', () => {
  assert.deepEqual(trampoline(PLAIN), PLAIN.argv)
  assert.deepEqual(trampoline({ ...PLAIN, umask: '0022' }), PLAIN.argv)
})

test('first it joins its groups, then limits are raised, last the user is given up', () => {
  const argv = trampoline({
    ...PLAIN,
    user: { uid: 1000, gid: 100 },
    umask: '077',
    ulimits: { nofile: 4096, core: 0 },
    join: ['/g/memory/cgroup.procs', '/g/pids/cgroup.procs'],
    tools: TOOLS,
  })
  assert.deepEqual(argv.slice(0, 2), ['/bin/sh', '-c'])
  assert.deepEqual(argv.slice(3), [
    ...[
      'mark',
      '/g/memory/cgroup.procs',
      '/g/pids/cgroup.procs',
      '--',
      '077',
      'PWD',
      'OLDPWD',
      'SHLVL',
      '--',
    ],
    ...['/usr/bin/prlimit', '--nofile=4096:4096', '--core=0:0', '--'],
    ...['/usr/bin/setpriv', '--reuid=1000', '--regid=100', '--init-groups', '--no-new-privs', '--'],
    ...PLAIN.argv,
  ])
})

test('root as the user is still a change of user', () => {
  assert.equal(trampoline({ ...PLAIN, user: { uid: 0, gid: 0 } })[0], 'setpriv')
})

test('no shell ever reads a word of the argv: the script is one and the same', () => {
  const argv = trampoline({ ...PLAIN, argv: ['$(reboot)', ';', '`x`'], umask: '077' })
  const other = trampoline({ ...PLAIN, umask: '027', join: ['/g'] })
  assert.equal(argv[2], other[2])
  assert.deepEqual(argv.slice(-3), ['$(reboot)', ';', '`x`'])
})

test('a variable that a shell would drop takes the shell that does not', () => {
  const spec = { ...PLAIN, umask: '077', tools: TOOLS }
  assert.equal(trampoline({ ...spec, variables: ['PATH', 'MODE'] })[0], '/bin/sh')
  assert.deepEqual(trampoline({ ...spec, variables: ['PATH', 'my.key'] }).slice(0, 2), ['/bin/bash', '-p'])
})

test('a missing tool is named, and only to those who need it', () => {
  const none = { ...TOOLS, prlimit: null, setpriv: null }
  assert.equal(trampolineLacks({ user: null, ulimits: {} }, none), null)
  assert.match(trampolineLacks({ user: { uid: 1, gid: 1 }, ulimits: {} }, none) ?? '', /^user needs setpriv/)
  assert.match(trampolineLacks({ user: null, ulimits: { nofile: 9 } }, none) ?? '', /^ulimits needs prlimit/)
})

test('a start that failed in the trampoline is told from a module that ended', () => {
  const joined = 'mark: the run could not join the control group /g/cgroup.procs'
  assert.equal(startRefusal(126, joined), 'the run could not join the control group /g/cgroup.procs')
  assert.equal(startRefusal(127, 'mark: 8: exec: /bin/luka: not found'), 'exec: /bin/luka: not found')
  assert.equal(
    startRefusal(1, 'prlimit: failed to set the NOFILE resource limit: Operation not permitted'),
    'prlimit: failed to set the NOFILE resource limit: Operation not permitted',
  )
  assert.equal(startRefusal(126, 'setpriv: failed to execute /x: Permission denied')?.slice(0, 8), 'setpriv:')
  assert.equal(startRefusal(1, 'mark: my own word'), null)
  assert.equal(startRefusal(3, joined), null)
  assert.equal(startRefusal(126, 'Traceback (most recent call last):'), null)
})
