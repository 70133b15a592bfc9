/** `npm start` hands the terminal to `mark up` faithfully: arguments, runtime, signals, exit status. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'

const ROOT = dirname(dirname(import.meta.dirname))
const scratch = mkdtempSync(join(tmpdir(), 'mark-start-'))
const started: ChildProcess[] = []
after(() => {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true })
})

/** A checkout with a pretend `bin/mark`: its `up` ends with 7 on SIGTERM or a second SIGINT. */
function checkout(check = 'process.exit(0)', installed = true): string {
  const root = mkdtempSync(join(scratch, 'checkout-'))
  cpSync(join(ROOT, 'scripts'), join(root, 'scripts'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  mkdirSync(join(root, 'bin'))
  const up = `
    let ints = 0
    process.on('SIGINT', () => { console.log('SIGINT', ++ints); if (ints === 2) process.exit(7) })
    process.on('SIGTERM', () => process.exit(7))
    setInterval(() => {}, 1000)
    console.log('up', process.env.MARK_NODE, process.execPath)`
  writeFileSync(join(root, 'bin', 'mark'), `if (process.argv.includes('check')) { ${check} } else { ${up} }`)
  const runtime = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin')
  if (installed) {
    mkdirSync(runtime, { recursive: true })
    symlinkSync(process.execPath, join(runtime, 'node'))
  }
  return root
}

/** Runs scripts/start.js there; `said` resolves with the output as soon as it matches. */
function start(root: string, env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(process.execPath, [join(root, 'scripts', 'start.js')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let output = ''
  const collect = (data: Buffer): void => {
    output += data
    child.emit('said')
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  child.on('exit', () => child.emit('said'))
  const said = async (pattern: RegExp): Promise<string> => {
    const deadline = AbortSignal.timeout(20_000)
    while (!pattern.test(output) && child.exitCode === null && child.signalCode === null) {
      await once(child, 'said', { signal: deadline })
    }
    assert.match(output, pattern)
    return output
  }
  return { child, said, ended: once(child, 'close').then(([code]) => ({ code: code as number, output })) }
}

describe('npm start', () => {
  test('says where to look and how to stop, and runs the fleet on the pinned Node', async () => {
    const root = checkout()
    const { child, said, ended } = start(root)
    const output = await said(/^up .*$/m)
    assert.match(output, /bin\/mark --file examples\/paper-fleet\/mark\.yaml status/)
    assert.match(output, /Ctrl-C/)
    const pinned = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
    assert.match(output, new RegExp(`^up ${pinned} `, 'm'))
    child.kill('SIGTERM')
    assert.equal((await ended).code, 7)
  })

  test('passes one Ctrl-C on once, though terminal and npm both send it, and a later one again', async () => {
    const { child, said, ended } = start(checkout())
    await said(/^up /m)
    child.kill('SIGINT')
    child.kill('SIGINT')
    await said(/SIGINT 1/)
    const again = setInterval(() => child.kill('SIGINT'), 700)
    const { code, output } = await ended
    clearInterval(again)
    assert.equal(code, 7)
    assert.equal(output.match(/SIGINT/g)?.length, 2)
  })

  test('starts nothing when the check fails', async () => {
    const { ended } = start(checkout("console.log('error'); process.exit(78)"))
    const { code, output } = await ended
    assert.equal(code, 78)
    assert.doesNotMatch(output, /^up /m)
  })

  test('installs first when the pinned Node is missing, without install scripts, and says so', async () => {
    const root = checkout('process.exit(0)', false)
    writeFileSync(join(root, 'npm'), '#!/bin/sh\necho "npm $*"\nexit 4\n')
    chmodSync(join(root, 'npm'), 0o755)
    const { ended } = start(root, { ...process.env, PATH: `${root}:${process.env.PATH}` })
    const { code, output } = await ended
    assert.equal(code, 1)
    assert.match(output, /^npm ci --ignore-scripts/m)
    assert.match(output, /npm ci failed/)
  })
})
