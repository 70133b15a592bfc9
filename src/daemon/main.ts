/**
 * Process 2. `main.ts --state-dir DIR`: thinks for the fleet and may die, hang or be replaced at any time; no
 * module notices. Ends within a second of SIGTERM. Reads environment and arguments here and nowhere else.
 */
import { readlinkSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../host/clock.ts'
import { ownVersion } from '../host/own-program.ts'
import { KeeperClient } from '../host/line-socket.ts'
import { stateDirAt } from '../host/state-dir.ts'
import { Daemon } from './daemon.ts'

const CONNECT_MS = 2000
const END_MS = 900
/** What was compiled is kept for the next daemon now: one that is killed keeps nothing. */
const KEEP_COMPILED_MS = 10_000

const { values } = parseArgs({ options: { 'state-dir': { type: 'string' } } })
const dir = values['state-dir']
if (!dir) {
  process.stderr.write('error[MARK_USAGE]: the daemon needs --state-dir.\n')
  process.exit(2)
}

const state = stateDirAt(dir, readlinkSync(join(dir, 'run')))
const daemon = new Daemon({
  state,
  clock: systemClock,
  version: ownVersion(),
  pid: process.pid,
  credentialsDir: process.env.CREDENTIALS_DIRECTORY,
  connect: () => KeeperClient.connect(state.keeperSocket, CONNECT_MS),
  say: line => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    setTimeout(() => process.exit(0), END_MS)
    void daemon.close().finally(() => process.exit(0))
  })
}
process.on('SIGPIPE', () => {})
process.on('SIGHUP', () => {})
daemon.start()
setTimeout(flushCompileCache, KEEP_COMPILED_MS).unref()
// Everything else is unref'ed: the daemon lives until it is told to end.
setInterval(() => {}, 2 ** 30)
