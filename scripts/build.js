/**
 * `npm run build`: JavaScript and declarations into dist/, the JSON Schema into schema/. Always starts
 * clean, so that nothing old is ever packed. `--into DIR` builds a whole package directory elsewhere and
 * leaves the checkout alone. npm runs no scripts here (`ignore-scripts`), so it must be called before `npm
 * pack` and `npm publish`.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT, requireNode, run } from './runtime.js'

const { values } = parseArgs({ options: { into: { type: 'string', default: ROOT } } })
const into = resolve(values.into)
const node = requireNode()

rmSync(join(into, 'dist'), { recursive: true, force: true })
await must('tsc', [
  ...[join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'],
  ...['--outDir', join(into, 'dist'), '--pretty', 'false'],
])
if (into !== resolve(ROOT)) copyPackage()
const schema = join(ROOT, 'scripts', 'schema.js')
if (existsSync(schema))
  await must('schema', ['--disable-warning=ExperimentalWarning', schema, join(into, 'schema')])
console.log(`built ${into}`)

async function must(name, args) {
  const { code, output } = await run(node, args)
  if (output.trim() !== '') console.log(output.trimEnd())
  if (code === 0) return
  console.error(`build: ${name} failed`)
  process.exit(1)
}

/** What package.json lists under `files`, as far as it is not built, and package.json itself. */
function copyPackage() {
  mkdirSync(into, { recursive: true })
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const name of ['package.json', ...files]) {
    if (name === 'dist' || name === 'schema' || !existsSync(join(ROOT, name))) continue
    cpSync(join(ROOT, name), join(into, name), { recursive: true })
  }
}
