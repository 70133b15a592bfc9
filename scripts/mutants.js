/**
 * Plants five known bugs, one at a time, in a copy of the tree and demands that the tests catch each: a check
 * that cannot fail is a defect. Exit 1 when one survives, or when a bug can no longer be planted.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requireNode } from './runtime.js'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const MUTANTS = [
  {
    name: 'the run is not written down before it is spawned',
    file: 'src/keeper/start-run.ts',
    from: /\n {2}saveRun\(engine, run, spec, role\)\n/,
    to: '\n',
    tests: ['test/simulation/simulation.test.ts'],
  },
  {
    name: 'adoption ignores the start time',
    file: 'src/host/linux-processes.ts',
    from: /\(startTime !== null && stat\.startTime !== startTime\)/,
    to: 'false',
    tests: ['src/host/linux-processes.test.ts'],
  },
  {
    name: 'the latch is forgotten before a spawn',
    file: 'src/keeper/engine.ts',
    from: /const kill = this\.latchOf\(spec\.name\)\n/,
    to: 'const kill = null as KillView | null\n',
    tests: ['test/simulation/simulation.test.ts'],
  },
  {
    name: 'a second timer is set beside the first',
    file: 'src/host/one-timer.ts',
    from: /if \(this\.#timer\) clearTimeout\(this\.#timer\)\n/,
    to: '\n',
    tests: ['src/host/one-timer.test.ts'],
  },
  {
    name: 'a restart beats a stop',
    file: 'src/core/child-rules.ts',
    from: /strength\(event\.then\) <= strength\(stopping\.then\)/,
    to: 'event.then === stopping.then',
    tests: ['src/core/child-step.test.ts'],
  },
]

function main() {
  const copy = mkdtempSync(join(tmpdir(), 'mark-mutants-'))
  try {
    for (const part of ['src', 'test', 'package.json', 'tsconfig.json'])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    const files = [...new Set(MUTANTS.flatMap(mutant => mutant.tests))]
    if (!passes(copy, files)) throw new Error('the tests must pass before a bug is planted')
    const survivors = MUTANTS.filter(mutant => !caught(copy, mutant))
    console.log(`${MUTANTS.length - survivors.length} of ${MUTANTS.length} planted bugs caught`)
    process.exitCode = survivors.length === 0 ? 0 : 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function caught(copy, mutant) {
  const path = join(copy, mutant.file)
  const original = readFileSync(path, 'utf8')
  const planted = original.replace(mutant.from, mutant.to)
  if (planted === original) throw new Error(`"${mutant.name}" can no longer be planted in ${mutant.file}`)
  writeFileSync(path, planted)
  const survived = passes(copy, mutant.tests)
  writeFileSync(path, original)
  console.log(`${survived ? 'SURVIVED' : 'caught  '}  ${mutant.name}`)
  return !survived
}

function passes(copy, tests) {
  try {
    execFileSync(requireNode(), ['--test', ...tests], { cwd: copy, stdio: 'ignore', timeout: 300_000 })
    return true
  } catch {
    return false
  }
}

main()
