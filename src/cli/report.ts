/** How a command that failed says so: one line on stderr and an exit status (SPEC 6). */
import { MarkError } from '../core/errors.ts'
import type { Border } from './context.ts'

/** Whatever was thrown; what is not a MarkError is a fault of MARK itself. */
export function report(error: unknown, border: Border): number {
  if (error instanceof MarkError) return reportError(error, border)
  const detail =
    error instanceof Error ? (border.env.MARK_DEBUG ? error.stack : error.message) : String(error)
  const hint = 'this is a fault in MARK: run it again with MARK_DEBUG=1 and report what it says.'
  return reportError(
    new MarkError('MARK_INTERNAL', `Something went wrong inside MARK: ${detail}.`, hint),
    border,
  )
}

export function reportError(error: MarkError, border: Border): number {
  border.writeErr(`${formatError(error)}\n`)
  return error.exitStatus
}

/** `error[MARK_CODE]: sentence. hint: what to do.` */
function formatError(error: MarkError): string {
  // A list of configuration problems has its own lines and hints.
  const end = error.message.includes('\n') || error.message.endsWith('.') ? '' : '.'
  const hint = error.hint === null ? '' : ` hint: ${error.hint}`
  return `error[${error.code}]: ${error.message}${end}${hint}`
}
