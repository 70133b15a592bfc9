import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeClock } from '../../host/clock.ts'
import { childrenOf } from '../../host/proc.ts'
import { diskUse } from './disk-use.ts'
import { Sampler } from './sampler.ts'

test('the whole tree of a run is measured, and a run that ended is forgotten', async () => {
  const clock = fakeClock()
  const sampler = new Sampler(clock, () => [])
  const child = spawn('sh', ['-c', 'while :; do :; done & wait'], { stdio: 'ignore', detached: true })
  const pid = child.pid as number
  try {
    const deadline = performance.now() + 3000
    while (childrenOf(pid).length === 0) {
      assert.ok(performance.now() < deadline)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    sampler.observe('vida', { module: 'vida', runId: 'R', pid })
    sampler.sample()
    assert.equal(sampler.resources('vida').cpuPercent, null)
    assert.ok((sampler.resources('vida').memoryBytes ?? 0) > 500_000)
    let cpu = 0
    while (cpu < 5) {
      assert.ok(performance.now() < deadline + 5000)
      await new Promise(resolve => setTimeout(resolve, 20))
      clock.advance(100)
      sampler.sample()
      cpu = Math.max(cpu, sampler.resources('vida').cpuPercent ?? 0)
    }
    assert.ok((sampler.resources('vida').fds ?? 0) >= 3)
    for (let i = 0; i < 100; i++) {
      clock.advance(1000)
      sampler.sample()
    }
    assert.equal(sampler.history('R')?.samples.length, 60)
    sampler.observe('vida', null)
    assert.equal(sampler.history('R'), null)
    assert.equal(sampler.resources('vida').memoryBytes, null)
  } finally {
    sampler.close()
    process.kill(-pid, 'SIGKILL')
  }
})

test('disk counts files and directories, never what a link points to', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-disk-'))
  try {
    mkdirSync(join(dir, 'a'))
    writeFileSync(join(dir, 'a', 'x'), Buffer.alloc(1_000_000))
    symlinkSync('/usr', join(dir, 'a', 'link'))
    const bytes = await diskUse([join(dir, 'a'), join(dir, 'missing')])
    assert.ok(bytes >= 1_000_000 && bytes < 1_200_000, String(bytes))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
