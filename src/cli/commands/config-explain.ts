/**
 * `mark config explain KEY`: what a key of mark.yaml means, what it may be, what it is here and where that
 * was written. Works without a mark.yaml, and with one that is broken elsewhere.
 */
import { relative } from 'node:path'
import type { Explanation } from '../../contract/config/explain.ts'
import type { MapNode } from '../../contract/config/located.ts'
import { MarkError } from '../../core/errors.ts'
import { configFiles } from '../../host/config-files.ts'
import type { CliContext } from '../context.ts'
import { visible } from '../visible.ts'

export interface ExplainOptions {
  readonly key: string
}

export async function runConfigExplain(context: CliContext, options: ExplainOptions): Promise<number> {
  const { explain } = await import('../../contract/config/explain.ts')
  const found = explain(await readTree(context), options.key)
  if ('hint' in found) {
    throw new MarkError('MARK_USAGE', `\`${visible(options.key)}\` is not a key of mark.yaml.`, found.hint)
  }
  if (context.options.json) {
    context.json(found)
    return 0
  }
  for (const line of linesOf(found, context.cwd)) context.out(visible(line))
  return 0
}

async function readTree(context: CliContext): Promise<MapNode | null> {
  const file = context.place().configFile
  if (file === null) return null
  const [{ gather }, { Report }] = await Promise.all([
    import('../../contract/config/gather.ts'),
    import('../../contract/config/problem.ts'),
  ])
  return gather(file, configFiles(context.uid), context.env, new Report())
}

function linesOf(found: Explanation, cwd: string): string[] {
  const lines = [found.key]
  const row = (label: string, text: string | null): void => {
    if (text !== null) lines.push(`  ${label.padEnd(9)}${text}`)
  }
  row('meaning', found.meaning)
  if (found.value !== null) row('value', written(found.value))
  row(
    'from',
    found.from
      ? `${relative(cwd, found.from.file)}:${found.from.line}:${found.from.column}`
      : found.value === null
        ? null
        : 'default',
  )
  row('allowed', found.expected)
  if (found.default !== null) row('default', written(found.default))
  const width = Math.max(0, ...found.keys.map(({ key }) => key.length))
  if (found.keys.length > 0) lines.push('  keys')
  for (const { key, meaning } of found.keys)
    lines.push(`    ${key.padEnd(width)}  ${meaning ?? ''}`.trimEnd())
  return lines
}

function written(value: unknown): string {
  return Array.isArray(value)
    ? `[${value.map(written).join(', ')}]`
    : typeof value === 'string'
      ? value
      : JSON.stringify(value)
}
