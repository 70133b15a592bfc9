/** What ended the module, as a message: the error's type, its message, its stack. Anything can be thrown. */
import { type ModuleMessage, TRACEBACK_MAX_CHARS } from '../contract/module.ts'

export function crashOf(thrown: unknown): ModuleMessage {
  try {
    if (!(thrown instanceof Error)) return { type: 'crash', error: { message: String(thrown) } }
    const traceback = String(thrown.stack ?? '').slice(0, TRACEBACK_MAX_CHARS)
    return { type: 'crash', error: { type: String(thrown.name), message: String(thrown.message) }, traceback }
  } catch {
    return { type: 'crash', error: { message: 'an error that cannot be shown' } }
  }
}

/** With which code the module should end after it; null: as Node would end it. */
export function exitCodeOf(thrown: unknown): number | null {
  const code = thrown instanceof Error ? (thrown as Error & { exitCode?: unknown }).exitCode : null
  return Number.isInteger(code) ? (code as number) : null
}
