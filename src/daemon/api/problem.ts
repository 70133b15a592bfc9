/**
 * Errors of the API: RFC 9457 problem details with MARK's code and hint. Never a stack, a path or a secret.
 */
import { type ErrorCode, MarkError } from '../../core/errors.ts'

const STATUS: Partial<Record<ErrorCode, number>> = {
  MARK_USAGE: 400,
  MARK_PROTOCOL: 400,
  MARK_NO_SUCH_MODULE: 404,
  MARK_NO_SUCH_KILL: 404,
  MARK_NO_SUCH_JOB: 404,
  MARK_NO_SUCH_RUN: 404,
  MARK_DENIED: 403,
  MARK_LATCHED: 409,
  MARK_REFUSED: 409,
  MARK_LOCK_HELD: 409,
  MARK_BUSY: 503,
  MARK_NOT_RUNNING: 503,
  MARK_KEEPER_SILENT: 503,
  MARK_TIMED_OUT: 504,
  MARK_UNSUPPORTED: 501,
}

/** Any error as a response. What is no MarkError is our own fault and says nothing of itself. */
export function problem(error: unknown, status?: number): Response {
  const known = error instanceof MarkError ? error : internal()
  const code = status ?? STATUS[known.code] ?? 500
  const body = {
    type: `urn:mark:error:${known.code}`,
    title: title(code),
    status: code,
    detail: known.message,
    code: known.code,
    hint: known.hint,
  }
  return new Response(JSON.stringify(body), {
    status: code,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  })
}

export function usage(detail: string, hint: string | null = null): MarkError {
  return new MarkError('MARK_USAGE', detail, hint)
}

function internal(): MarkError {
  return new MarkError(
    'MARK_INTERNAL',
    'The daemon could not do this; its log says why.',
    'See .mark/daemon.log.',
  )
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Refused',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Idempotency key used for another request',
  501: 'Not supported',
  503: 'Not available now',
  504: 'Timed out',
}

function title(status: number): string {
  return TITLES[status] ?? 'Internal error'
}
