/**
 * Speaks the daemon's HTTP API over its unix socket. The file's permission is the credential. A daemon that
 * is away, hung or slow is an ordinary answer (null), never an error: whoever asks has the keeper and the
 * disk to fall back on.
 */
import { type ErrorCode, MarkError } from '../core/errors.ts'

const BODY_MAX_BYTES = 32 * 1024 * 1024

/** The JSON document of GET `path`, or null when there is no good answer within `timeoutMs`. */
export async function askDaemon(socketPath: string, path: string, timeoutMs: number): Promise<unknown> {
  const answer = await call(socketPath, { method: 'GET', path, body: null }, timeoutMs)
  return answer?.status === 200 ? answer.value : null
}

/** What GET `path` answers, the MarkError that it is refused with, or null: no daemon answers. */
export async function getDaemon(socketPath: string, path: string, timeoutMs: number): Promise<unknown> {
  return answered(await call(socketPath, { method: 'GET', path, body: null }, timeoutMs))
}

/** What POST `path` answers, the MarkError that it is refused with, or null: no daemon answers. */
export async function postDaemon(
  socketPath: string,
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<unknown> {
  return answered(await call(socketPath, { method: 'POST', path, body: JSON.stringify(body) }, timeoutMs))
}

interface Answer {
  readonly status: number
  readonly value: unknown
}

function answered(answer: Answer | null): unknown {
  if (answer === null || answer.value === null) return null
  if (answer.status < 400) return answer.value
  const { code, detail, hint } = answer.value as { code?: ErrorCode; detail?: string; hint?: string | null }
  return new MarkError(code ?? 'MARK_INTERNAL', detail ?? 'The daemon refused.', hint ?? null)
}

interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body: string | null
}

function call(socketPath: string, { method, path, body }: Call, timeoutMs: number): Promise<Answer | null> {
  return new Promise(resolve => {
    // Not imported: an import of node:http loads undici too, 40 ms and 15 MB that only browsers' fetch needs.
    const { request } = process.getBuiltinModule('node:http')
    const { connect } = process.getBuiltinModule('node:net')
    const signal = AbortSignal.timeout(timeoutMs)
    const json = body === null ? {} : { 'content-type': 'application/json' }
    const headers = { host: 'localhost', accept: 'application/json', ...json }
    // No agent: it would ask whether `localhost` is an address, 4 ms for the compiling of two expressions.
    const createConnection = () => connect(socketPath)
    const outgoing = request({ method, path, signal, createConnection, headers })
    outgoing.once('error', () => resolve(null))
    outgoing.once('response', response => {
      const parts: Buffer[] = []
      let size = 0
      response.on('data', (part: Buffer) => {
        size += part.length
        if (size > BODY_MAX_BYTES) response.destroy()
        else parts.push(part)
      })
      response.once('error', () => resolve(null))
      response.once('close', () => resolve(null))
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, value: parse(Buffer.concat(parts)) }),
      )
    })
    outgoing.end(body ?? undefined)
  })
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
}
