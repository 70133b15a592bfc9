/**
 * `npm start`: installs what is missing, checks the paper fleet and runs it in the foreground until Ctrl-C.
 * Runs on Node 18 and later on a fresh checkout, before anything is installed: it may import nothing from
 * npm. Passes on signals and the exit code of `mark up`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedNode, ROOT } from './runtime.js'

const CONFIG = join('examples', 'paper-fleet', 'mark.yaml')
const MARK = join('bin', 'mark')
/** One Ctrl-C can come twice, from the terminal and from npm; a second press of a person comes later. */
const ECHO_MS = 500

refuseUnless(process.platform === 'linux', 'MARK keeps fleets on Linux only.')
refuseUnless(succeeds('python3', ['--version']), 'The paper fleet needs python3 (3.9 or later).')
install()
const node = pinnedNode() ?? process.execPath
const env = { ...process.env, MARK_NODE: node }

say(`checking ${CONFIG}`)
const check = spawnSync(node, [MARK, '--file', CONFIG, 'check'], { cwd: ROOT, env, stdio: 'inherit' })
if (check.status !== 0) process.exit(check.status ?? 1)
say('starting the paper fleet: recorded prices, a pretend exchange, no real money')
say(`look around in another terminal: ${MARK} --file ${CONFIG} status`)
say('stop it with Ctrl-C')
foreground(node, [MARK, '--file', CONFIG, 'up'])

function install() {
  if (pinnedNode()) return
  const isFresh = !existsSync(join(ROOT, 'node_modules'))
  say(`${isFresh ? 'nothing is installed yet' : 'the pinned Node is missing'}: npm ci --ignore-scripts`)
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    stdio: 'inherit',
  })
  refuseUnless(status === 0, 'npm ci failed; what it printed above says why.')
}

/**
 * In a session of its own, so that a Ctrl-C reaches it once, through here: `mark up` takes a second one as
 * the wish to stop without grace.
 */
function foreground(command, args) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: 'inherit', detached: true })
  let lastMs = -Infinity
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal === 'SIGINT' && performance.now() - lastMs < ECHO_MS) return
      if (signal === 'SIGINT') lastMs = performance.now()
      child.kill(signal)
    })
  }
  child.on('error', error => refuseUnless(false, error.message))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function say(text) {
  console.log(`npm start: ${text}`)
}

function refuseUnless(condition, sentence) {
  if (condition) return
  console.error(`npm start: ${sentence}`)
  process.exit(1)
}
