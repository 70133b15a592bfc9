/**
 * `mark doctor`: what this host can do for MARK and what it cannot, each with a sentence. Exit 1 if
 * anything that MARK needs is missing.
 */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { diagnose, type Verdict } from '../../core/diagnosis.ts'
import { inspectHost } from '../../host/inspect.ts'
import { checkSafe } from '../../host/owner.ts'
import type { CliContext } from '../context.ts'
import type { Style } from '../paint.ts'
import { table } from '../table.ts'
import { visibleCell } from '../visible.ts'

const LOOKS: Readonly<Record<Verdict, readonly [string, Style]>> = {
  ok: ['✓', 'green'],
  degraded: ['!', 'yellow'],
  missing: ['✗', 'red'],
}

export async function doctor(context: CliContext): Promise<number> {
  const place = context.place()
  const wanted = place.stateDir ?? context.cwd
  const dir = existsSync(wanted) ? wanted : dirname(wanted)
  const facts = await inspectHost(dir, context.env.PATH ?? '/usr/bin:/bin')
  const findings = diagnose({
    ...facts,
    pinned: context.node.includes('/node_modules/node-linux-'),
    root: context.uid === 0,
    unsafe: checkSafe(place.configFile ?? dir, { uid: context.uid }),
  })
  const missing = findings.some(finding => finding.verdict === 'missing')
  if (context.options.json) {
    context.json({ ok: !missing, checks: findings })
    return missing ? 1 : 0
  }
  const rows = findings.map(({ check, verdict, text }) => {
    const [sign, style] = LOOKS[verdict]
    return [context.paint(style, `${sign} ${verdict}`), check, visibleCell(text)]
  })
  for (const line of table([{ title: '' }, { title: '' }, { title: '' }], rows, null).slice(1))
    context.out(line)
  return missing ? 1 : 0
}
