import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadLibc } from './libc.ts'
import { whyNotReplaced } from './replace-process.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-replace-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const here = import.meta.dirname

/** Runs `script` under a lock of its own; what it printed, a line each. */
function underLock(script: string): string[] {
  const lock = join(dir, 'lock')
  const file = join(dir, 'first.ts')
  writeFileSync(lock, '')
  const imports = `import { loadLibc } from '${here}/libc.ts'
    import { lockFds, lockHolder } from '${here}/lock-holder.ts'
    import { replaceProcess } from '${here}/replace-process.ts'
    import { readFileSync, writeFileSync } from 'node:fs'
    const lock = '${lock}', dir = '${dir}', libc = loadLibc()
    const say = (...words) => writeFileSync(1, words.join(' ') + '\\n')
    const flags = fd => /flags:\\t(\\d+)/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1]
    const cloexec = fd => (parseInt(flags(fd), 8) & 0o2000000) !== 0
    const mine = () => lockHolder(lock) === process.pid
  `
  writeFileSync(file, imports + script)
  const argv = ['-F', '-n', lock, process.execPath, '--disable-warning=ExperimentalWarning', file, lock]
  return execFileSync('flock', argv, { encoding: 'utf8', timeout: 20_000 }).trim().split('\n')
}

const whyNot = whyNotReplaced(loadLibc())

test('another program goes on in this process, with its lock and the environment given', {
  skip: whyNot ?? false,
}, () => {
  const lines = underLock(`
    if (process.argv.includes('second')) say('second', process.pid, mine(), process.env.HOW)
    else {
      libc.setCloexecFrom(3)
      say('first', process.pid, mine())
      replaceProcess(libc, lock, [process.execPath, process.argv[1], lock, 'second'], { HOW: 'well' })
    }`)
  const pid = lines[0]?.split(' ')[1]
  assert.deepEqual(lines, [`first ${pid} true`, `second ${pid} true well`])
})

test('a program that cannot be executed leaves everything as it was', { skip: whyNot ?? false }, () => {
  const lines = underLock(`
    libc.setCloexecFrom(3)
    writeFileSync(dir + '/text', 'no program', { mode: 0o644 })
    try { replaceProcess(libc, lock, [dir + '/text'], {}) }
    catch (error) { say(error.code, mine(), lockFds(lock).map(cloexec)) }
    await new Promise(resolve => setTimeout(resolve, 10))
    say('goes on')`)
  assert.deepEqual(lines, ['EACCES true true', 'goes on'])
})

test('without koffi no process is replaced: its lock would be lost', () => {
  assert.match(whyNotReplaced(null) ?? '', /koffi/)
})
