/** Every layout a host may have, and where groups are made in it: by its texts and a fake hierarchy. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cgroups } from './cgroup.ts'
import { cgroupFiles } from './cgroup-files.ts'
import { type Hierarchy, placeIn, readLayout } from './cgroup-layout.ts'
import { FakeCgroup2 } from './fake-cgroup2.ts'

const TOP = '/sys/fs/cgroup'
const V2 = `30 23 0:26 / ${TOP} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n`
const ALL = ['cpuset', 'cpu', 'io', 'memory', 'pids']
const RUN = '01JD0000000000000000000000'
const LIMITS = { memoryBytes: 1 << 28, cpus: 1.5, pids: 100 }
const ME = process.pid

interface Host {
  readonly own: string
  readonly isHost?: boolean
  readonly root?: boolean
  readonly others?: readonly number[]
  readonly mayWrite?: (path: string) => boolean
}

function host(given: Host): { fake: FakeCgroup2; groups: Cgroups } {
  const fake = new FakeCgroup2(TOP, {
    controllers: ALL,
    isHost: given.isHost ?? true,
    ...(given.mayWrite ? { mayWrite: given.mayWrite } : {}),
  })
  const own = given.own === '/' ? TOP : TOP + given.own
  fake.plant(own, [ME, ...(given.others ?? [])], given.own === '/' ? [] : ALL)
  const texts: Record<string, string> = { mountinfo: V2, cgroup: `0::${given.own}\n` }
  const groups = Cgroups.open({
    key: 'ab12',
    libc: null,
    files: fake,
    root: given.root ?? true,
    proc: (_pid, name) => texts[name] ?? null,
  })
  return { fake, groups }
}

test('root on a plain host of version 2: below a group of our own at the top', () => {
  const { fake, groups } = host({ own: '/user.slice/user-0.slice/session-1.scope' })
  assert.equal(groups.layout, 'v2')
  assert.deepEqual(groups.can, { memory: true, cpus: true, pids: true, kill: true, freeze: true })
  const made = groups.make(RUN, LIMITS)
  const dir = `${TOP}/mark-ab12/${RUN}`
  assert.deepEqual(made, { ok: true, join: [`${dir}/cgroup.procs`], missing: [] })
  assert.equal(fake.read(`${dir}/memory.max`), String(1 << 28))
  assert.equal(fake.read(`${dir}/memory.swap.max`), '0')
  assert.equal(fake.read(`${dir}/memory.oom.group`), '1')
  assert.equal(fake.read(`${dir}/pids.max`), '100')
  assert.equal(fake.read(`${dir}/cpu.max`), '150000 100000')
  assert.deepEqual(
    [...(fake.groups.get(`${TOP}/user.slice/user-0.slice/session-1.scope`)?.procs ?? [])],
    [ME],
  )
})

test('in the leaf of a delegated unit: beside it, and the unit itself stays free of processes', () => {
  const { fake, groups } = host({ own: '/system.slice/mark-sipa.service/mark-keeper' })
  const made = groups.make(RUN, LIMITS)
  const unit = `${TOP}/system.slice/mark-sipa.service`
  assert.deepEqual(made, { ok: true, join: [`${unit}/mark-ab12/${RUN}/cgroup.procs`], missing: [] })
  assert.equal(fake.groups.get(unit)?.procs.size, 0)
})

test('in a unit without a leaf nothing is handed down, for systemd could not start it again', () => {
  const unit = `${TOP}/user.slice/user-7.slice/user@7.service/app.slice/mark-sipa.service`
  const { fake, groups } = host({
    own: unit.slice(TOP.length),
    root: false,
    mayWrite: path => path === unit || path.startsWith(`${unit}/`),
  })
  const before = fake.read(`${unit}/cgroup.subtree_control`)
  assert.deepEqual(groups.can, { memory: false, cpus: false, pids: false, kill: true, freeze: true })
  const made = groups.make(RUN, LIMITS)
  assert.deepEqual(made, {
    ok: true,
    join: [`${unit}/mark-ab12/${RUN}/cgroup.procs`],
    missing: ['memory', 'cpus', 'pids'],
  })
  assert.equal(fake.read(`${unit}/cgroup.subtree_control`), before)
})

test('root in a unit without a leaf: at the top, the unit stays as it is', () => {
  const { fake, groups } = host({ own: '/system.slice/mark-sipa.service' })
  const made = groups.make(RUN, LIMITS)
  assert.ok(made.ok && made.join[0]?.startsWith(`${TOP}/mark-ab12/`))
  assert.equal(fake.groups.get(`${TOP}/system.slice/mark-sipa.service`)?.down.size, 0)
})

test('in a container all processes move to a leaf before anything is handed down', () => {
  const { fake, groups } = host({ own: '/', isHost: false, others: [1, 77] })
  assert.equal(groups.make(RUN, { ...LIMITS, memoryBytes: null, cpus: null }).ok, true)
  assert.deepEqual([...(fake.groups.get(`${TOP}/mark-keeper`)?.procs ?? [])].sort(), [ME, 1, 77].sort())
  assert.equal(fake.groups.get(TOP)?.procs.size, 0)
  assert.deepEqual([...(fake.groups.get(TOP)?.down ?? [])], ['pids'])
})

test('a scope that was delegated to an account is divided, somebody else’s is not touched', () => {
  const scope = `${TOP}/user.slice/user@7.service/run-1.scope`
  const mine = host({ own: scope.slice(TOP.length), root: false, mayWrite: path => path.startsWith(scope) })
  assert.equal(mine.groups.make(RUN, LIMITS).ok, true)
  assert.deepEqual([...(mine.fake.groups.get(`${scope}/mark-keeper`)?.procs ?? [])], [ME])
  const theirs = host({ own: '/user.slice/session-2.scope', root: false, mayWrite: () => false })
  assert.equal(Object.values(theirs.groups.can).some(Boolean), false)
  const made = theirs.groups.make(RUN, LIMITS)
  assert.deepEqual(made, { ok: true, join: [], missing: ['memory', 'cpus', 'pids'] })
  assert.equal(theirs.fake.groups.has(`${TOP}/user.slice/session-2.scope/mark-ab12`), false)
})

test('root in a container that sees the whole host does not leave its own group', () => {
  const { fake, groups } = host({ own: '/docker/abc' })
  const made = groups.make(RUN, LIMITS)
  assert.ok(made.ok && made.join[0]?.startsWith(`${TOP}/docker/abc/mark-ab12/`))
  assert.equal(groups.can.memory, false)
  assert.equal(fake.groups.has(`${TOP}/mark-ab12`), false)
})

test('what was made is ended, counted, told from OOM and removed', () => {
  const { fake, groups } = host({ own: '/' })
  groups.make(RUN, LIMITS)
  const dir = `${TOP}/mark-ab12/${RUN}`
  assert.equal(groups.oom(RUN), null)
  fake.write(`${dir}/memory.events`, 'low 0\noom 1\noom_kill 1\noom_group_kill 1\n')
  fake.write(`${dir}/memory.current`, '4096\n')
  fake.plant(dir, [501, 502])
  assert.equal(groups.oom(RUN), true)
  assert.deepEqual(groups.usage(RUN), { memoryBytes: 4096, cpuUs: null, pids: 2 })
  assert.deepEqual(groups.list(), [RUN])
  assert.equal(groups.remove(RUN), false)
  assert.equal(groups.kill(RUN), true)
  assert.equal(groups.remove(RUN), true)
  groups.close()
  assert.equal(fake.groups.has(`${TOP}/mark-ab12`), false)
})

test('a limit that the kernel refuses refuses the start and leaves no group', () => {
  const { fake, groups } = host({ own: '/' })
  fake.write = (path, text) => {
    if (path.endsWith('/pids.max')) throw Object.assign(new Error('EINVAL: pids.max'), { code: 'EINVAL' })
    FakeCgroup2.prototype.write.call(fake, path, text)
  }
  const made = groups.make(RUN, LIMITS)
  assert.deepEqual(made, {
    ok: false,
    why: 'its control group could not be made: EINVAL: pids.max',
    transient: false,
  })
  assert.deepEqual(groups.list(), [])
})

test('a run id is never a path', () => {
  const { groups } = host({ own: '/' })
  for (const bad of ['..', '../x', 'a/b', '']) assert.throws(() => groups.make(bad, LIMITS), /not a run id/)
})

/** Files that only hold our pid, at these directories. */
function holding(...dirs: readonly string[]): typeof cgroupFiles {
  return {
    ...cgroupFiles,
    read: path => (dirs.some(dir => path === `${dir}/cgroup.procs`) ? `1\n${ME}\n` : ''),
    writable: () => true,
    exists: () => true,
  }
}
const given = (mountinfo: string, ownGroups: string) => ({ mountinfo, ownGroups, mounts: TOP, pid: ME })

test('hybrid and version 1: by their controllers, below our own groups', () => {
  const mountinfo = [
    `32 31 0:29 / ${TOP}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct`,
    `35 31 0:32 / ${TOP}/memory rw - cgroup cgroup rw,memory`,
    `40 31 0:37 / ${TOP}/systemd rw - cgroup cgroup rw,name=systemd`,
    `41 31 0:38 / ${TOP}/unified rw - cgroup2 cgroup2 rw`,
  ].join('\n')
  const own = '4:memory:/a\n2:cpu,cpuacct:/b\n1:name=systemd:/c\n0::/c\n'
  const dirs = [`${TOP}/memory/a`, `${TOP}/cpu,cpuacct/b`, `${TOP}/systemd/c`, `${TOP}/unified/c`]
  const hybrid = readLayout(given(mountinfo, own), holding(...dirs))
  assert.equal(hybrid.kind, 'hybrid')
  assert.deepEqual(
    hybrid.hierarchies.map(one => one.controllers),
    [['cpu'], ['memory'], []],
  )
  const places = hybrid.hierarchies.map(one => placeIn(one, 'k', true, holding(...dirs))?.base)
  assert.deepEqual(places.slice(0, 2), [`${TOP}/cpu,cpuacct/b/mark-k`, `${TOP}/memory/a/mark-k`])
  const v1 = readLayout(given(mountinfo, own), holding(...dirs.slice(0, 3)))
  assert.equal(v1.kind, 'v1')
})

test('a container without a namespace of its own finds itself below what is mounted', () => {
  const mountinfo = `35 31 0:32 /docker/abc ${TOP}/memory rw - cgroup cgroup rw,memory\n`
  const [found] = readLayout(given(mountinfo, '4:memory:/docker/abc\n'), holding(`${TOP}/memory`)).hierarchies
  assert.equal((found as Hierarchy).own, `${TOP}/memory`)
})

test('what is hidden, foreign, outside the namespace or unreadable is not there', () => {
  const mountinfo = `35 31 0:32 /docker/abc ${TOP}/memory rw - cgroup cgroup rw,memory\n`
  for (const own of ['4:memory:/elsewhere\n', '4:memory:/../..\n', '', '\0::::\n']) {
    assert.equal(readLayout(given(mountinfo, own), holding(`${TOP}/memory`)).kind, 'none')
  }
  assert.equal(readLayout(given(mountinfo, '4:memory:/docker/abc\n'), holding()).kind, 'none')
  assert.equal(readLayout(given('', ''), cgroupFiles).kind, 'none')
})
