/**
 * Two processes open one map at the same instant, again and again: exactly one has it, the other is told so.
 * MARK_RACES says how often.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { test } from 'node:test'

const RACES = Number(process.env.MARK_RACES ?? (process.env.MARK_LONG === '1' ? 1000 : 60))
/** How long the one that is late waits. */
const WAIT_MS = 50
const AHEAD_MS = 5
const DEADLINE_MS = 20_000
const PYTHON_SOURCE = join(import.meta.dirname, '..', '..', 'python', 'src')

const PYTHON_RACER = `import sys, time
from pathlib import Path
from mark_sdk import StateBusy
from mark_sdk.state_file import StateFile
opened = None
for line in iter(sys.stdin.readline, ''):
    if line == 'close\\n':
        opened and opened.close()
        opened, said = None, 'closed'
    else:
        while time.time() * 1000 < int(line): pass
        try:
            opened, said = StateFile(Path(sys.argv[1]), 'raced', wait_s=int(sys.argv[2]) / 1000), 'open'
        except StateBusy: said = 'busy'
        except Exception as error: said = repr(error)
    print(said, flush=True)
`
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  TypeScript: [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'map-racer.ts'),
  ],
  Python: ['python3', '-c', PYTHON_RACER],
}

class Racer {
  readonly #child: ChildProcess
  readonly #lines: Interface

  constructor(language: string, dir: string) {
    const [program = '', ...args] = COMMANDS[language] as string[]
    this.#child = spawn(program, [...args, dir, String(WAIT_MS)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONPATH: PYTHON_SOURCE },
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
  }

  async say(line: string): Promise<string> {
    const answer = once(this.#lines, 'line', { signal: AbortSignal.timeout(DEADLINE_MS) })
    this.#child.stdin?.write(`${line}\n`)
    return String((await answer)[0])
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }
}

for (const pair of [
  ['TypeScript', 'TypeScript'],
  ['Python', 'Python'],
  ['TypeScript', 'Python'],
]) {
  test(`${RACES} times ${pair.join(' and ')} open one map at once, and one of them has it`, async t => {
    const dir = mkdtempSync(join(tmpdir(), 'mark-map-'))
    const racers = pair.map(language => new Racer(language, dir))
    const all = (line: string): Promise<string[]> => Promise.all(racers.map(racer => racer.say(line)))
    t.after(() => {
      for (const racer of racers) racer.end()
      rmSync(dir, { recursive: true, force: true })
    })
    await all('close')
    let firsts = 0
    for (let race = 0; race < RACES; race++) {
      // Every second one is about a map that is new.
      if (race % 2 === 0)
        for (const end of ['db', 'exists']) rmSync(join(dir, `raced.${end}`), { force: true })
      const said = await all(String(Date.now() + AHEAD_MS))
      assert.deepEqual(said.toSorted(), ['busy', 'open'], `race ${race}`)
      if (said[0] === 'open') firsts++
      await all('close')
    }
    t.diagnostic(`${firsts} times the first had it, ${RACES - firsts} times the second`)
  })
}
