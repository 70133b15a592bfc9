/**
 * `npm test`: runs every test, two files at a time, and ends with one plain line `N passed, N failed, N
 * skipped`. Exit 1 when anything failed or nothing ran. Arguments: words that a file's path must contain
 * (any of them); `--fast` leaves out what starts whole fleets or needs a registry; `--root DIR` looks in
 * another tree. Runs on Node 18 and later; the tests run on the pinned Node, one process each, ended at
 * FILE_LIMIT_MS.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ROOT, requireNode } from './runtime.js'

const AT_ONCE = 2
const FOLDERS = ['test/simulation', 'test/system', 'src', 'test', 'scripts', 'bench', 'examples', 'python']
const SLOW_PLACES = 'system|simulation|chaos|faults|contracts/log-ring|sdk/persistent-map'
const SLOW = new RegExp(`^(?:test/(?:${SLOW_PLACES})|test/package\\.test\\.ts$|examples/|python/)`)
const REPORTER = join(dirname(fileURLToPath(import.meta.url)), 'test-reporter.js')
const NODE_ARGS = ['--disable-warning=ExperimentalWarning', `--test-reporter=${REPORTER}`]

const { values, positionals } = parseArgs({
  options: { fast: { type: 'boolean', default: false }, root: { type: 'string', default: ROOT } },
  allowPositionals: true,
})
const root = values.root
const FILE_LIMIT_MS = Number(process.env.MARK_TEST_LIMIT_MS ?? (values.fast ? 60_000 : 300_000))
const scratch = mkdtempSync(join(tmpdir(), 'mark-test-'))
const running = new Set()
const node = requireNode()

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const child of running) end(child)
    rmSync(scratch, { recursive: true, force: true })
    process.exit(1)
  })
}

const results = await runAll(findFiles())
rmSync(scratch, { recursive: true, force: true })
process.exitCode = summarise(results)

function findFiles() {
  const found = new Set()
  const walk = folder => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory() && !/^(?:node_modules|\.mark|\.git|dist)$/.test(entry.name)) walk(path)
      const isTest = /\.test\.(?:ts|js)$/.test(entry.name) || /^test_.*\.py$/.test(entry.name)
      if (entry.isFile() && isTest) found.add(relative(root, path))
    }
  }
  for (const folder of FOLDERS) {
    try {
      walk(join(root, folder))
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
  }
  return [...found]
    .filter(path => positionals.length === 0 || positionals.some(word => path.includes(word)))
    .filter(path => !values.fast || !SLOW.test(path))
}

/** Two files at a time, in order; prints a line for each as it ends. */
async function runAll(files) {
  const results = []
  const queue = [...files]
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file)
      results.push(result)
      tell(result, `${results.length}/${files.length}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return results
}

async function runFile(file) {
  const isPython = file.endsWith('.py')
  const log = join(scratch, `${file.replaceAll('/', '_')}.jsonl`)
  const ended = isPython
    ? await runChild(
        'python3',
        [
          '-m',
          'unittest',
          'discover',
          '-v',
          '-s',
          dirname(file),
          '-p',
          basename(file),
          ...above(dirname(file)),
        ],
        {},
      )
    : await runChild(node, [...NODE_ARGS, file], { MARK_TEST_LOG: log })
  const { code, output, tookMs, timedOut } = ended
  const { tests, begun } = isPython ? { tests: readPython(output), begun: null } : readLog(log)
  const limit = `the file did not end within ${FILE_LIMIT_MS / 1000} s`
  if (timedOut) tests.push(failure(begun === null ? limit : `${limit}: \`${begun}\` was running`, output))
  else if (tests.length === 0) tests.push(failure('no test ran', output))
  else if (code !== 0 && !tests.some(test => test.outcome === 'failed')) {
    tests.push(failure(`the file ended with ${code}`, output))
  }
  return { file, tests, tookMs }
}

/** Tests that are a package are found from the directory above it. */
function above(dir) {
  return existsSync(join(root, dir, '__init__.py')) ? ['-t', dirname(dir)] : []
}

/** Each file leads its own process group, so that one that hangs is ended with all it started there. */
function runChild(command, args, more) {
  const began = Date.now()
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...env, ...more },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      end(child)
    }, FILE_LIMIT_MS)
    running.add(child)
    const collect = text => {
      output = (output + text).slice(-200_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', error => collect(`${error.message}\n`))
    // Ends what is left of the group, too: a test that leaves processes behind must not disturb the next.
    const finish = code => {
      clearTimeout(timer)
      end(child)
      running.delete(child)
      child.stdout.destroy()
      child.stderr.destroy()
      resolve({ code: code ?? 1, output, tookMs: Date.now() - began, timedOut })
    }
    // What a test left running may hold the pipes open: a second after the exit they are let go.
    child.on('exit', code => setTimeout(finish, 1000, code).unref())
    child.on('close', finish)
  })
}

function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

/** The tests of a file, and which one had begun last without ending. */
function readLog(log) {
  const lines = existsSync(log)
    ? readFileSync(log, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line))
    : []
  const tests = lines.filter(line => line.outcome !== undefined)
  const over = new Set(tests.map(test => test.name.split(' > ').at(-1)))
  const begun = lines.findLast(line => line.begun !== undefined && !over.has(line.begun))?.begun ?? null
  return { tests, begun }
}

/** `test_a (test_paper.Paper.test_a) ... ok`, or `skipped 'why'`, `FAIL`, `ERROR`. */
function readPython(output) {
  const tests = []
  for (const [, name, verdict, reason] of output.matchAll(
    /^(\w+) \([\w.]+\)[\s\S]*? \.\.\. [\s\S]*?(ok|skipped|FAIL|ERROR|expected failure)(?: ['"](.*)['"])?$/gm,
  )) {
    const outcome = { ok: 'passed', 'expected failure': 'passed', skipped: 'skipped' }[verdict] ?? 'failed'
    const detail = output.slice(Math.max(0, output.indexOf('======')))
    tests.push({ name, outcome, reason: outcome === 'failed' ? detail : (reason ?? null), line: null })
  }
  const ran = Number(/^Ran (\d+) tests?/m.exec(output)?.[1] ?? 0)
  if (ran !== tests.length)
    tests.push(failure(`Python ran ${ran} tests, ${tests.length} of them were told`, output))
  return tests
}

function failure(name, output) {
  return { name, outcome: 'failed', reason: output.slice(-8000).trimEnd(), line: null }
}

function count(tests, outcome) {
  return tests.filter(test => test.outcome === outcome).length
}

function tell({ file, tests, tookMs }, progress) {
  const failed = tests.filter(test => test.outcome === 'failed')
  const skipped = count(tests, 'skipped')
  const parts = [`${count(tests, 'passed')} passed`]
  if (failed.length > 0) parts.push(`${failed.length} failed`)
  if (skipped > 0) parts.push(`${skipped} skipped`)
  const seconds = (tookMs / 1000).toFixed(1)
  console.log(
    `${failed.length > 0 ? 'FAIL' : 'ok  '} ${progress} ${file}: ${parts.join(', ')} (${seconds} s)`,
  )
  for (const test of failed) {
    console.log(`\n  FAILED ${file}${test.line ? `:${test.line}` : ''}: ${test.name}`)
    console.log(`${String(test.reason).replace(/^/gm, '    ')}\n`)
  }
}

/** Returns the exit status. */
function summarise(results) {
  const all = results.flatMap(({ file, tests }) => tests.map(test => ({ ...test, file })))
  const skipped = all.filter(test => test.outcome === 'skipped')
  const failed = all.filter(test => test.outcome === 'failed')
  if (skipped.length > 0) console.log('\nSkipped:')
  for (const test of skipped) console.log(`  ${test.file}: ${test.name}: ${test.reason}`)
  if (failed.length > 0) console.log('\nFailed:')
  for (const test of failed) console.log(`  ${test.file}: ${test.name}`)
  if (all.length === 0) console.log('No test file matches.')
  console.log(`\n${count(all, 'passed')} passed, ${failed.length} failed, ${skipped.length} skipped`)
  return failed.length > 0 || all.length === 0 ? 1 : 0
}
