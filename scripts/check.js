/**
 * `npm run check`: the one command before a commit. Format, lint, types, and the unit, house,
 * contract and story tests; under a minute. Exit 1 on any failure, with what failed printed in full. Runs on
 * Node 18 and later.
 */
import { join } from 'node:path'
import { ROOT, requireNode, run } from './runtime.js'

const bin = name => join(ROOT, 'node_modules', '.bin', name)
const node = requireNode()
// `npx`-style tools start with the Node on the PATH; all of these are native or run on Node 18.
const STATIC = [
  ['format and lint (biome)', bin('biome'), ['ci', '--colors=off', '--max-diagnostics=200', '.']],
  ['lint (oxlint, with types)', bin('oxlint'), ['--type-aware', '--deny-warnings']],
  ['types (tsc)', node, [bin('tsc'), '-p', '.', '--pretty', 'false']],
]

const staticSteps = STATIC.map(async ([name, command, args]) => {
  const step = { name, ...(await run(command, args)) }
  tell(step)
  return step
})
const script = join(ROOT, 'scripts', 'test.js')
const tests = await run(node, [script, '--fast', ...process.argv.slice(2)], { echo: true })
const steps = [...(await Promise.all(staticSteps)), { name: 'tests', ...tests }]

const failed = steps.filter(step => step.code !== 0)
const seconds = steps.map(step => `${step.name} ${(step.tookMs / 1000).toFixed(1)} s`).join(', ')
console.log(`\n${seconds}`)
console.log(
  failed.length === 0 ? 'check: all good' : `check: ${failed.map(step => step.name).join(', ')} failed`,
)
process.exitCode = failed.length === 0 ? 0 : 1

function tell({ name, code, output }) {
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name}`)
  if (code !== 0) console.log(output.trimEnd())
}
