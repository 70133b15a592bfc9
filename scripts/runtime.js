/**
 * Finds the Node that MARK is developed and run with, and passes commands on to it. Runs on Node 18 and
 * later, before anything is installed: it may import nothing from npm.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const NODE_MAJOR_MIN = 24

/** The pinned Node of node_modules if it is there and runs on this host (it needs glibc), else null. */
export function pinnedNode() {
  const path = join(ROOT, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
  if (!existsSync(path)) return null
  return spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0 ? path : null
}

/** The pinned Node, else the one that runs this if it is new enough, else null. */
export function findNode() {
  const pinned = pinnedNode()
  if (pinned) return pinned
  return Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN ? process.execPath : null
}

/** As findNode, but ends the process with one clear sentence when there is none. */
export function requireNode() {
  const node = findNode()
  if (node) return node
  const why = existsSync(join(ROOT, 'node_modules'))
    ? 'the pinned Node does not run here'
    : 'nothing is installed'
  console.error(`error[MARK_NO_RUNTIME]: MARK needs Node ${NODE_MAJOR_MIN} or later, and ${why}.`)
  console.error('hint: run `npm ci --ignore-scripts` in the checkout, or use a newer Node.')
  process.exit(1)
}

/**
 * Runs a command and collects what it prints. Resolves to its exit code (a signal counts as 1), the text of
 * both streams, and how long it took.
 */
export function run(command, args, options = {}) {
  const began = Date.now()
  return new Promise(resolve => {
    const child = spawn(command, args, { cwd: ROOT, ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', text => {
        output += text
        if (options.echo) process.stdout.write(text)
      })
    }
    const end = code => resolve({ code, output, tookMs: Date.now() - began })
    child.on('error', error => {
      output += `${error.message}\n`
      end(1)
    })
    child.on('close', code => end(code ?? 1))
  })
}
