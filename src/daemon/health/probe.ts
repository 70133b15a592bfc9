/**
 * Asks a module one question, once: http, tcp or exec. Always answers within its timeout, follows no
 * redirect, reads no more than it needs and never rejects: a failed probe is a result, not an error.
 */
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { ProbeResult } from '../../core/health.ts'
import type { Probe } from '../../core/plan.ts'
import { type ExecPlace, execProbe } from './exec-probe.ts'

const BODY_MAX_BYTES = 64 * 1024

/** `place`: as whom and where an exec probe runs; the others need none. */
export function runProbe(probe: Probe, timeoutMs: number, place: ExecPlace | null): Promise<ProbeResult> {
  if (probe.kind === 'http') return httpProbe(probe.url, timeoutMs)
  if (probe.kind === 'tcp') return tcpProbe(probe.host, probe.port, timeoutMs)
  if (!place) return Promise.resolve({ ok: false, reason: 'no place to run it in' })
  return execProbe(probe.argv, timeoutMs, place)
}

/**
 * 2xx and 3xx are good. A body is drained up to 64 KB, so that a server that hangs in its answer is found
 * out.
 */
export function httpProbe(url: string, timeoutMs: number): Promise<ProbeResult> {
  return new Promise(resolve => {
    const done = (ok: boolean, reason: string): void => {
      clearTimeout(timer)
      resolve({ ok, reason })
      call.destroy()
    }
    // Not imported: an import of node:http loads undici too, 40 ms and 15 MB that nothing here needs.
    const { request } = process.getBuiltinModule(url.startsWith('https:') ? 'node:https' : 'node:http')
    const headers = { 'user-agent': 'mark-probe', accept: '*/*', connection: 'close' }
    const call = request(url, { method: 'GET', agent: false, headers })
    const timer = setTimeout(() => done(false, `no answer within ${timeoutMs} ms`), timeoutMs)
    call.once('response', response => drain(response, done))
    call.on('error', error => done(false, reasonOf(error)))
    call.once('close', () => done(false, 'the connection was closed without an answer'))
    call.end()
  })
}

function drain(response: IncomingMessage, done: (ok: boolean, reason: string) => void): void {
  const status = response.statusCode ?? 0
  const ok = status >= 200 && status < 400
  let size = 0
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > BODY_MAX_BYTES) done(ok, `answered ${status}`)
  })
  response.once('end', () => done(ok, `answered ${status}`))
  response.on('error', error => done(false, `answered ${status}, then ${reasonOf(error)}`))
  response.once('aborted', () => done(false, `answered ${status}, then broke off`))
}

/** Good as soon as the connection stands; nothing is sent. */
export function tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const done = (ok: boolean, reason: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ ok, reason })
    }
    const timer = setTimeout(() => done(false, `no connection within ${timeoutMs} ms`), timeoutMs)
    socket.once('connect', () => done(true, 'accepted a connection'))
    socket.on('error', error => done(false, reasonOf(error)))
  })
}

/**
 * `connect ECONNREFUSED 127.0.0.1:8080`; a failure to several addresses at once carries its causes inside.
 */
function reasonOf(error: Error): string {
  const inner = (error as { errors?: unknown }).errors
  const first = Array.isArray(inner) ? inner.find(one => one instanceof Error) : null
  return (first?.message ?? error.message) || (error as { code?: string }).code || 'failed'
}
