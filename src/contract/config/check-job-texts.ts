/**
 * What a job's texts leave for its run: `${jobs.NAME.outputs.NAME}` in its command, variables and params,
 * `${params.NAME}` in its command and variables. Every name must be there; elsewhere nothing fills them in.
 * Looks at the texts as the plan keeps them, because that is what a run reads.
 */
import { type LocatedNode, nodeAt, type Path, placeAt } from './located.ts'
import { didYouMean } from './problem.ts'
import type { JobInput } from './schema-job.ts'
import { problemAt, type Scope } from './scope.ts'

type Inputs = ReadonlyMap<string, JobInput>

const REFERENCE = /\$\{((?:jobs|params)\.[^}]*)\}/g

/** Of jobs whose shape is sound. */
export function checkTexts(scope: Scope, names: readonly string[], inputs: Inputs): void {
  const visit = (node: LocatedNode | undefined, path: Path): void => {
    if (node === undefined) return
    if (node.kind === 'map') for (const [key, one] of node.entries) visit(one.node, [...path, key])
    else if (node.kind === 'list')
      for (const [index, one] of node.items.entries()) visit(one, [...path, index])
    else for (const [, inner = ''] of node.text.matchAll(REFERENCE)) check(scope, path, inner, names, inputs)
  }
  for (const name of inputs.keys()) visit(nodeAt(scope.tree, ['jobs', name]), ['jobs', name])
}

function check(scope: Scope, path: Path, inner: string, names: readonly string[], inputs: Inputs): void {
  const refuse: Refuse = (message, hint) => {
    problemAt(scope, path, message, hint)
    // Nor is the program that it names, or the directory, worth a word more.
    for (const wrong of [path, path.slice(0, 3)]) scope.report.poison(placeAt(scope.tree, wrong))
  }
  const isParam = inner.startsWith('params.')
  const [, owner = '', key = '', index] = path
  const allowed = isParam ? ['command', 'environment'] : ['command', 'environment', 'params']
  if (!allowed.includes(String(key))) {
    refuse(`nothing fills in \`\${${inner}}\` here`, `use it in ${allowed.join(', ')}`)
    return
  }
  if (key === 'command') checkPlace(refuse, nodeAt(scope.tree, path), index, inputs.get(String(owner)))
  if (isParam) checkParam(refuse, inner.slice('params.'.length), inputs.get(String(owner)))
  else checkOutput(refuse, inner, names, inputs)
}

type Refuse = (message: string, hint: string | null) => void

/** Not the program, which must be proven before; not a shell's line, which would run what it reads. */
function checkPlace(
  refuse: Refuse,
  node: LocatedNode | undefined,
  index: Path[number] | undefined,
  input: JobInput | undefined,
): void {
  if (input?.shell) {
    const hint = 'a param is a variable of the run: "$NAME"; give an output one under `environment`'
    refuse('a shell would run what is filled in here', hint)
  } else if (
    index === 0 ||
    (node?.kind === 'scalar' && index === undefined && /^\s*\S*\$\{/.test(node.text))
  ) {
    refuse('the program must be known before the run', 'name it, and pass this as an argument')
  }
}

function checkParam(refuse: Refuse, name: string, input: JobInput | undefined): void {
  if (input === undefined || Object.hasOwn(input.params, name)) return
  const known = didYouMean(name, Object.keys(input.params))
  refuse(`it has no param \`${name}\``, known ?? `declare it with its default: \`params: { ${name}: "" }\``)
}

function checkOutput(refuse: Refuse, inner: string, names: readonly string[], inputs: Inputs): void {
  const [, job = '', output = ''] = /^jobs\.([^.]+)\.outputs\.([^.]+)$/.exec(inner) ?? []
  const known = inputs.get(job)?.outputs ?? []
  if (output === '') refuse(`\`${inner}\` is no output of a job`, 'write `${jobs.NAME.outputs.NAME}`')
  else if (!names.includes(job)) refuse(`there is no job \`${job}\``, didYouMean(job, names))
  else if (inputs.has(job) && !known.includes(output)) {
    const hint = didYouMean(output, known) ?? `declare it there: \`outputs: [${output}]\``
    refuse(`\`${job}\` has no output \`${output}\``, hint)
  }
}
