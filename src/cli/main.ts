/**
 * Entry of the command line, and the only place of it that knows the process: arguments, environment,
 * streams, signals, exit status. A reader that went away (`mark logs | head`) is a quiet end.
 */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { Border } from './context.ts'
import { runCli } from './run.ts'

// The end of process 1 is the end of its container: it loses its voice, or a duty, before it loses the fleet.
const isInit = process.pid === 1
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => isInit || process.exit(error.code === 'EPIPE' ? 0 : 1))
}
if (isInit) process.on('uncaughtException', error => console.error(`error[MARK_INTERNAL]: ${error.stack}`))

const uid = process.geteuid?.() ?? 0
const border: Border = {
  env: process.env,
  argv: process.argv.slice(2),
  cwd: workingDir(),
  uid,
  gids: process.getgroups?.() ?? [],
  user: userName(),
  node: process.execPath,
  version: packageVersion(),
  isTty: process.stdout.isTTY === true,
  errIsTty: process.stderr.isTTY === true,
  columns: () => process.stdout.columns || process.stderr.columns || 80,
  rows: () => process.stdout.rows || process.stderr.rows || 24,
  write: text => void process.stdout.write(text),
  writeErr: text => void process.stderr.write(text),
  onSignal: (name, handler) => {
    process.on(name, handler)
    return () => void process.off(name, handler)
  },
}
const status = await runCli(border)
// What was printed must arrive: exit() does not wait for a pipe.
for (const stream of [process.stdout, process.stderr]) await new Promise(resolve => stream.write('', resolve))
process.exit(status)

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${uid}` // no passwd entry, as in many containers
  }
}

function workingDir(): string {
  try {
    return process.cwd()
  } catch {
    return '/' // the directory was removed under us
  }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version?: unknown }).version)
}
