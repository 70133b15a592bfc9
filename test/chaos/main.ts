/**
 * `npm run chaos -- --kills N --seed S [--storm] [--state DIR] [--keep]`: kills MARK and its modules with
 * kill -9 over the paper fleet and judges what is left. `--storm`: with one more module that fills the disk
 * of the logs. Exit 0: nothing was lost or doubled; 1: something was, and the
 * directory is kept; 2: the run was too thin to prove anything. `--hang S` instead stops the daemon for S
 * seconds (see hung-daemon.test.ts).
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PaperFleet } from './fleet.ts'
import { run } from './run.ts'
import { FAILED, OK } from './conclusion.ts'

/** Each module crashes by itself about this often, s. */
const CRASH_EVERY = '20'
/** So that jobs are begun, run and end while everything is killed. */
const INGEST_EVERY = '3s'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '40' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    state: { type: 'string' },
    keep: { type: 'boolean', default: false },
    storm: { type: 'boolean', default: false },
    hang: { type: 'string' },
  },
})
if (values.hang !== undefined) {
  const file = join(import.meta.dirname, '..', 'system', 'hung-daemon.test.ts')
  const env = { ...process.env, MARK_HANG_S: String(Number(values.hang)) }
  process.exit(spawnSync(process.execPath, ['--test', file], { env, stdio: 'inherit' }).status ?? 1)
}
const kills = Number(values.kills)
const seed = Number(values.seed)
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  process.stderr.write(
    'usage: npm run chaos -- --kills N --seed S [--storm] [--state DIR] [--keep] | --hang SECONDS\n',
  )
  process.exit(2)
}
const say = (text: string): void => void process.stdout.write(`${text}\n`)

const fleet = await PaperFleet.make({
  into: values.state ?? null,
  callerEnv: process.env,
  extra: { PAPER_CRASH_EVERY: CRASH_EVERY, INGEST_EVERY },
  storm: values.storm,
})
say(`chaos: seed ${seed}, ${kills} kills, in ${fleet.dir}`)
let ended = false
const end = (): void => {
  if (!ended) fleet.end()
  ended = true
}
process.on('exit', end)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    end()
    say(`interrupted; the directory stays: ${fleet.dir}`)
    process.exit(1)
  })
}

let status: number = FAILED
try {
  status = await run(fleet, { kills, seed, say })
} catch (error) {
  say(`FAIL the harness itself: ${(error as Error).stack}`)
}
end()
const keep = status !== OK || values.keep || values.state !== undefined
if (keep) say(`kept: ${fleet.dir}`)
else fleet.remove()
say(status === OK ? `OK seed ${seed}` : status === FAILED ? `FAIL seed ${seed}` : `VOID seed ${seed}`)
process.exit(status)
