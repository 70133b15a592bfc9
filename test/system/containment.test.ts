/**
 * A run with control groups is ended with all that it ever started, however it hides; and the trampoline that
 * puts it there leaves nothing of itself behind: no descriptor, no variable, no privilege.
 */
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { loadLibc } from '../../src/host/libc.ts'
import { findUser } from '../../src/host/users.ts'
import { ContainedRun, groupsSeen, NASTY, type Sight } from './contained-run.ts'
import { until } from './fleet.ts'

const TIMES = 100
const NASTY_ARGV = ['/usr/bin/perl', '-e', NASTY]
const libc = loadLibc()
// As the keeper does at its start: what whoever began this test left open is no module's.
libc?.setCloexecFrom(3)
const isRoot = process.getuid?.() === 0
const nobody = findUser('nobody')
const key = `system${process.pid}`
const groups = groupsSeen(key, 'all', libc)
const scratch = mkdtempSync(join(tmpdir(), 'mark-containment-'))
after(() => {
  for (const runId of groups.list()) groups.kill(runId)
  groups.close()
  rmSync(scratch, { recursive: true, force: true })
})

function whyNot(able: boolean): string | false {
  if (!existsSync('/usr/bin/perl')) return 'perl is not installed'
  return able ? false : 'this host offers no such control group to this account'
}

describe('the nastiest tree is ended, every time, with nothing left', () => {
  const ways: readonly [Sight, string, boolean][] = [
    ['all', 'by the kernel, all at once', groups.can.kill],
    ['version 1', 'while it stands frozen', groupsSeen(key, 'version 1', libc).can.freeze],
    ['no freezer', 'one by one', groupsSeen(key, 'no freezer', libc).can.pids],
  ]
  for (const [sight, how, able] of ways) {
    test(how, { skip: whyNot(able), timeout: 120_000 }, async () => {
      const seen = groupsSeen(key, sight, libc)
      for (let time = 0; time < TIMES; time++) {
        const run = new ContainedRun(seen, { pids: 400 }, { argv: NASTY_ARGV })
        await until('it has spread', 10_000, () => (seen.pids(run.runId)?.length ?? 0) >= 8)
        await until('nothing is left', 2_000, () => seen.kill(run.runId))
        await until('its output is closed', 2_000, () => run.silent)
        assert.deepEqual(run.left(), [])
        await until('its groups are removed', 2_000, () => seen.remove(run.runId))
      }
    })
  }
})

describe('through the trampoline', () => {
  test('a module has three descriptors and exactly the environment it was given', async () => {
    const env = { PATH: '/bin', n: '1', 'my.key': 'a b', SECRET: "x'$(y)\n", MARK_RUN_ID: 'r' }
    const shown = new ContainedRun(groups, {}, { argv: ['/usr/bin/env', '-0'], umask: '077' }, env)
    assert.deepEqual(await shown.ended, { code: 0, signal: null })
    await until('it spoke', 2_000, () => shown.silent)
    const got = Object.fromEntries(
      shown.said
        .split('\0')
        .filter(Boolean)
        .map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    )
    // These two bash insists on; dash, where no name is odd, leaves nothing at all.
    delete got._
    delete got.SHLVL
    assert.deepEqual(got, env)
    const idle = new ContainedRun(
      groups,
      {},
      { argv: ['/bin/sleep', '60'], umask: '077', ulimits: { nofile: 99 } },
    )
    await until('it became the module', 2_000, () => nameOf(idle.pid) === 'sleep')
    assert.deepEqual(readdirSync(`/proc/${idle.pid}/fd`).sort(), ['0', '1', '2'])
    assert.match(readFileSync(`/proc/${idle.pid}/status`, 'utf8'), /^Umask:\t0077$/m)
    assert.match(readFileSync(`/proc/${idle.pid}/limits`, 'utf8'), /^Max open files +99 +99 /m)
    await until('it is ended', 2_000, () => endWhole(idle))
  })

  test('a module with a user has nothing of root and cannot get it back', {
    skip: isRoot && nobody ? false : 'giving up root needs root, and an account nobody',
  }, async () => {
    const setuid = join(scratch, 'id')
    chmodSync(scratch, 0o755)
    copyFileSync('/usr/bin/id', setuid)
    chmodSync(setuid, 0o4755)
    const become = { user: { uid: nobody?.uid ?? 0, gid: nobody?.gid ?? 0 } }
    const asked = new ContainedRun(groups, {}, { argv: [setuid], ...become })
    assert.equal((await asked.ended).code, 0)
    await until('it spoke', 2_000, () => asked.silent)
    assert.match(asked.said, new RegExp(`^uid=${nobody?.uid}\\(`))
    assert.ok(!asked.said.includes('root'))
    const idle = new ContainedRun(groups, {}, { argv: ['/bin/sleep', '60'], ...become })
    await until('it became the module', 2_000, () => nameOf(idle.pid) === 'sleep')
    const status = readFileSync(`/proc/${idle.pid}/status`, 'utf8')
    assert.match(status, /^NoNewPrivs:\t1$/m)
    assert.match(status, /^CapPrm:\t0+$/m)
    assert.match(status, /^CapEff:\t0+$/m)
    await until('it is ended', 2_000, () => endWhole(idle))
  })
})

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}

/** Also where the host has no groups. */
function endWhole(run: ContainedRun): boolean {
  if (groups.pids(run.runId)?.length === 0 && !run.silent) process.kill(run.pid, 'SIGKILL')
  return groups.kill(run.runId) && run.silent && groups.remove(run.runId)
}
