import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { RunMeter } from './run-meter.ts'

async function withProcess(
  script: string,
  work: (child: ChildProcess, meter: RunMeter) => Promise<void>,
): Promise<void> {
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const meter = new RunMeter(child.pid as number)
  try {
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')
    await work(child, meter)
  } finally {
    meter.close()
    process.kill(-(child.pid as number), 'SIGKILL')
  }
}

async function until(look: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 8000
  while (!look()) {
    assert.ok(performance.now() < deadline, what)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

test('a module that rested is seen to work again at the next look', async () => {
  // Rests until it is told, then works for good.
  await withProcess('echo up; read word; while :; do :; done', async (child, meter) => {
    meter.walk(true)
    for (let i = 0; i < 12; i++) assert.ok((meter.read()?.rssPages ?? 0) > 0)
    assert.equal(meter.read()?.ticks, 0)
    child.stdin?.write('go\n')
    let ticks = 0
    await until(() => {
      ticks += meter.read()?.ticks ?? 0
      return ticks >= 20
    }, 'its work was never seen')
  })
})

test('a child that came meanwhile is found, and a pid that is free is not looked at again', async () => {
  const script = 'echo up; read word; sleep 1000 & echo more; read word'
  await withProcess(script, async (child, meter) => {
    meter.walk(true)
    for (let i = 0; i < 8; i++) meter.read()
    const alone = meter.read()?.rssPages ?? 0
    child.stdin?.write('go\n')
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')
    meter.walk(false)
    await until(() => (meter.read()?.rssPages ?? 0) > alone, 'the child was never measured')
    child.stdin?.write('end\n')
    await once(child, 'exit')
    assert.equal(meter.read(), null)
    meter.walk(true)
    assert.equal(meter.read(), null)
  })
})
