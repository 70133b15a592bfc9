/**
 * As much of a keeper as a log needs: `log-keeper.ts LOGS SPEC [STEP [NTH]]` keeps the log of module `vida`
 * within bounds, and kills itself at the NTH time the cut comes to STEP. Prints a line a drop.
 */
import { LogClock } from '../../src/host/log-clock.ts'
import { LogRing } from '../../src/host/log-ring.ts'
import { loadLibc } from '../../src/host/libc.ts'

const [logs, spec, step, nth] = process.argv.slice(2) as [string, string, string?, string?]
let seen = 0
const ring = new LogRing(logs, {
  calls: loadLibc(),
  monoMs: () => performance.now(),
  wallMs: () => Date.now(),
  onDropped: (module, dropped) => console.log(JSON.stringify({ module, ...dropped })),
  onTrouble: (module, why) => console.log(JSON.stringify({ module, why })),
  reached: at => {
    if (at === step && ++seen === Number(nth ?? 1)) process.kill(process.pid, 'SIGKILL')
  },
})
const clock = new LogClock(logs, () => Date.now(), { ring })
clock.follow('vida', 'run-1', JSON.parse(spec))
clock.tick()
console.log(JSON.stringify({ ready: true }))
process.stdin.on('data', () => {})
process.stdin.on('end', () => {
  void ring.idle().then(() => {
    const { user, system } = process.cpuUsage()
    console.log(JSON.stringify({ cpuMs: (user + system) / 1000 }))
    process.exit(0)
  })
})
