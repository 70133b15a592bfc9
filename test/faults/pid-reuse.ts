/**
 * Runs in a pid namespace of its own: gives the pid of a run that ended to a stranger, again and again, and
 * lets the keeper's hands signal, kill and sweep that run. Prints { reuses, adopted, signals, alive }.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Run } from '../../src/core/child.ts'
import { Containment } from '../../src/host/containment.ts'
import { loadLibc } from '../../src/host/libc.ts'
import { LinuxProcesses } from '../../src/host/linux-processes.ts'
import { readStat } from '../../src/host/proc.ts'
import type { RunFiles } from '../../src/host/run-files.ts'

const [, , dir, reuses] = process.argv as [string, string, string, string]
const libc = loadLibc()
const processes = new LinuxProcesses(libc, {} as RunFiles, new Containment(libc, 'pid-reuse'))
const told = { reuses: 0, adopted: 0, signals: '', alive: 0, missed: 0 }
processes.listen({ exited() {}, swept() {} } as never)

/** A shell, so that it costs little: each signal that it hears is a line. */
const HEARD = join(dir, 'signals')
const DECOY = `for s in HUP INT QUIT TERM USR1 USR2 CONT; do trap "echo $s >> ${HEARD}" $s; done
while :; do sleep 1000 & wait; done`
const PID = 30_000

function take(pid: number, argv: readonly [string, ...string[]]): ReturnType<typeof spawn> {
  const [file, ...args] = argv
  writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1))
  return spawn(file, args, { stdio: 'ignore', detached: true })
}

function runOf(pid: number, id: string): Run {
  const startTime = readStat(pid)?.startTime ?? null
  return { id, pid, startTime, tag: null, exit: null, ready: null, startReason: 'boot' } as unknown as Run
}

// Now and then somebody else is faster with a pid: it is tried again.
for (let n = 0; n < 3 * Number(reuses) && told.reuses < Number(reuses); n++) {
  const first = take(PID, ['sleep', '1000'])
  if (first.pid !== PID) {
    told.missed++
    first.kill('SIGKILL')
    continue
  }
  const run = runOf(PID, `RUN-${n}`)
  const gone = new Promise(resolve => first.once('exit', resolve))
  first.kill('SIGKILL')
  await gone
  // A start time is told in ticks of 10 ms: no pid comes back sooner in the life of a host.
  await sleep(20)
  const decoy = take(PID, ['sh', '-c', DECOY])
  if (decoy.pid !== PID) told.missed++
  else {
    told.reuses++
    await sleep(5)
    if (processes.adopt(run).alive) told.adopted++
    for (const signal of ['SIGTERM', 'SIGHUP']) processes.signal(run, signal)
    processes.kill(run)
    processes.sweep(run, true, 'SIGKILL')
    await sleep(1)
    if (readStat(PID)?.state !== 'Z' && decoy.exitCode === null && decoy.signalCode === null) told.alive++
  }
  processes.forget(run.id)
  const ended = new Promise(resolve => decoy.once('exit', resolve))
  spawnSync('kill', ['-9', '--', `-${decoy.pid}`])
  await ended
}
try {
  told.signals = readFileSync(join(dir, 'signals'), 'utf8')
} catch {
  // None was heard.
}
process.stdout.write(`${JSON.stringify(told)}\n`)
process.exit(0)
