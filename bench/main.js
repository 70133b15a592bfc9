/**
 * `npm run bench`: finds Python and the Node that MARK runs on, and hands over to bench.py. Runs on Node 18
 * and later. Passes on arguments, signals and the exit status; measures nothing itself.
 */
import { spawn, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requireNode } from '../scripts/runtime.js'

const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), 'bench.py')
const RECENT_ENOUGH = 'import sys; sys.exit(sys.version_info < (3, 9))'

if (process.platform !== 'linux') fail('it measures on Linux only.')
if (spawnSync('python3', ['-c', RECENT_ENOUGH]).status !== 0) fail('it needs python3, 3.9 or later.')
const args = ['-B', SCRIPT, '--node', requireNode(), ...process.argv.slice(2)]
const child = spawn('python3', args, { stdio: 'inherit' })
// A terminal sends Ctrl-C to both; the harness then ends what it started, and this waits for it.
process.on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', error => fail(error.message))
child.on('exit', (code, signal) => process.exit(signal === null ? code : 1))

function fail(why) {
  console.error(`SKIPPED the whole bench: ${why}`)
  process.exit(1)
}
