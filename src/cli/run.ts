/**
 * Runs what was typed; returns an exit status (SPEC 6), never throws and never ends the process. `mark
 * status` goes past the parser: scripts ask it every few seconds, and people when a host has no processor to
 * spare, and half of what it would take is commander with all verbs
 * (docs/decisions/0022-mark-status-past-the-parser.md).
 */
import { type Border, createContext, type GlobalOptions } from './context.ts'
import { report } from './report.ts'

const PLAIN: GlobalOptions = { file: null, stateDir: null, json: false, quiet: false, noColor: false }

export async function runCli(border: Border): Promise<number> {
  const options = bareStatus(border.argv)
  if (options === null) return await (await import('./program.ts')).runProgram(border)
  try {
    const { status } = await import('./commands/status.ts')
    return await status(createContext(border, options))
  } catch (error) {
    return report(error, border)
  }
}

/** Of exactly `status` and `status --json`; all else is the parser's to understand, and to refuse. */
export function bareStatus([verb, option, ...more]: readonly string[]): GlobalOptions | null {
  if (verb !== 'status' || more.length > 0) return null
  if (option === undefined) return PLAIN
  return option === '--json' ? { ...PLAIN, json: true } : null
}
