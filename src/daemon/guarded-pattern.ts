/**
 * Regular expressions from a config or a request, run over log lines without ever hanging the daemon: lines
 * are cut to 4 KB and the whole batch is stopped when its time is up.
 */
import { type Context, createContext, Script } from 'node:vm'

const LINE_MAX = 4096
const BATCH_MS = 200

export class PatternTooSlow extends Error {
  override readonly name = 'PatternTooSlow'
}

const script = new Script('work()')
/** A context costs a megabyte: it is made for the first pattern. */
let box: Context | null = null

/**
 * A matcher for many lines: which of them fit, in their order. Throws SyntaxError at once for a pattern that
 * is none; the matcher throws PatternTooSlow when a batch takes longer than 200 ms.
 */
export function guardedPattern(pattern: string): (lines: readonly string[]) => boolean[] {
  const expression = new RegExp(pattern, 'u')
  return lines => {
    const fits: boolean[] = []
    box ??= createContext({})
    box.work = () => {
      for (const line of lines) fits.push(expression.test(line.slice(0, LINE_MAX)))
    }
    try {
      script.runInContext(box, { timeout: BATCH_MS })
      return fits
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      throw new PatternTooSlow('the pattern takes too long on this log')
    } finally {
      box.work = () => {}
    }
  }
}
