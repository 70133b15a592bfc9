import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { Orphans } from './orphans.ts'
import { readStat } from './proc.ts'
import { HostShortage } from './shortage.ts'

/** A zombie for as long as its parent, which never waits, sleeps. */
async function withZombie(use: (pid: number) => Promise<void> | void): Promise<void> {
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    const pid = Number(await new Promise(resolve => parent.stdout.once('data', resolve)))
    while (readStat(pid)?.state !== 'Z') await new Promise(setImmediate)
    await use(pid)
  } finally {
    parent.kill('SIGKILL')
  }
}

test('who has ended is reaped, but not whom others wait for, nor who lives', async () => {
  await withZombie(pid => {
    const reaped: number[] = []
    const libc = {
      reap(one: number) {
        reaped.push(one)
        return null
      },
    }
    new Orphans(
      libc,
      () => new Set(),
      () => [pid, process.pid],
    ).look()
    new Orphans(
      libc,
      () => new Set([pid]),
      () => [pid],
    ).look()
    assert.deepEqual(reaped, [pid])
  })
})

test('a shortage of descriptors ends nobody: it looks again until it can', async () => {
  await withZombie(async pid => {
    let short = 3
    await new Promise<void>(resolve => {
      const children = (): number[] => {
        if (short-- > 0) throw new HostShortage('to read children', 'EMFILE')
        return [pid]
      }
      const libc = {
        reap() {
          resolve()
          return null
        },
      }
      new Orphans(libc, () => new Set(), children).look()
    })
    assert.equal(short, -1)
  })
})
