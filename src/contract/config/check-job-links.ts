/**
 * What jobs say of each other: `after`, and `${jobs.NAME.outputs.NAME}` in their texts. Every name must be
 * there, and nothing may wait for itself.
 */
import { formatPath, keyPlaceAt, type LocatedNode, nodeAt, type Path, placeAt } from './located.ts'
import { inDependencyOrder } from './order.ts'
import { didYouMean } from './problem.ts'
import type { JobInput } from './schema-job.ts'
import { problemAt, type Scope } from './scope.ts'

type Inputs = ReadonlyMap<string, JobInput>

export function checkAfter(scope: Scope, names: readonly string[], inputs: Inputs): void {
  for (const [name, { after = [] }] of inputs) {
    for (const [index, earlier] of upstreamOf(after).entries()) {
      if (names.includes(earlier)) continue
      const hint = scope.moduleNames.includes(earlier)
        ? 'that is a module: a job runs after jobs'
        : didYouMean(earlier, names)
      sayAt(scope, linkPath(name, after, index, earlier), `there is no job \`${earlier}\``, hint)
    }
  }
  const ordered = inDependencyOrder(names, name => upstreamOf(inputs.get(name)?.after ?? []))
  if (ordered.ok) return
  const [first = '', second = ''] = ordered.cycle
  const after = inputs.get(first)?.after ?? []
  const path = linkPath(first, after, upstreamOf(after).indexOf(second), second)
  const message =
    first === second
      ? `\`${first}\` would run after itself`
      : `jobs run after each other: ${ordered.cycle.join(' -> ')}`
  sayAt(scope, path, message, 'remove one of these, or give one job a `schedule:`')
}

type After = NonNullable<JobInput['after']>

function upstreamOf(after: After): string[] {
  return Array.isArray(after) ? after : Object.keys(after)
}

function linkPath(name: string, after: After, index: number, earlier: string): Path {
  return ['jobs', name, 'after', Array.isArray(after) ? index : earlier]
}

function sayAt(scope: Scope, path: Path, message: string, hint: string | null): void {
  const isEntry = typeof path.at(-1) === 'number'
  const at = isEntry ? placeAt(scope.tree, path) : keyPlaceAt(scope.tree, path)
  scope.report.error({ at, path: formatPath(path), message, hint })
}

const REFERENCE = /(?<!\$)\$\{(jobs\.[^}]*)\}/g

export function checkOutputs(scope: Scope, names: readonly string[], inputs: Inputs): void {
  const visit = (node: LocatedNode | undefined, path: Path): void => {
    if (node === undefined) return
    if (node.kind === 'map') for (const [key, one] of node.entries) visit(one.node, [...path, key])
    else if (node.kind === 'list')
      for (const [index, one] of node.items.entries()) visit(one, [...path, index])
    else checkText(scope, path, node.source, names, inputs)
  }
  visit(nodeAt(scope.tree, ['jobs']), ['jobs'])
}

function checkText(scope: Scope, path: Path, text: string, names: readonly string[], inputs: Inputs): void {
  for (const [, reference = ''] of text.matchAll(REFERENCE)) {
    const [, job = '', output = ''] = /^jobs\.([^.]+)\.outputs\.([^.]+)$/.exec(reference) ?? []
    const known = inputs.get(job)?.outputs ?? []
    if (output === '') {
      const hint = 'write `${jobs.NAME.outputs.NAME}`'
      problemAt(scope, path, `\`${reference}\` is no output of a job`, hint)
    } else if (!names.includes(job)) {
      problemAt(scope, path, `there is no job \`${job}\``, didYouMean(job, names))
    } else if (inputs.has(job) && !known.includes(output)) {
      const hint = didYouMean(output, known) ?? `declare it there: \`outputs: [${output}]\``
      problemAt(scope, path, `\`${job}\` has no output \`${output}\``, hint)
    }
  }
}
