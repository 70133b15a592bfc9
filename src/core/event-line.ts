/**
 * An event of the journal as one phrase for people. Pure; whatever it does not know it shows as it stands.
 */
import { formatDuration } from './time.ts'
import type { FleetEvent } from './view.ts'

/** `exited: exit 3 after 12s`, `backoff: 6s, attempt 2: exit 3`. */
export function describeEvent(event: FleetEvent): string {
  const said = PHRASES[event.kind]?.(event.data) ?? rest(event.data)
  return said === '' ? event.kind : `${event.kind}: ${said}`
}

type Data = FleetEvent['data']

const PHRASES: Readonly<Partial<Record<FleetEvent['kind'], (data: Data) => string>>> = {
  started: data => `pid ${text(data.pid)} (${text(data.start_reason)})`,
  exited: exitPhrase,
  backoff: data => `${spanText(data.delay_ms)}, attempt ${text(data.attempt)}${because(data)}`,
  plan_applied: data => planPhrase(data),
  hook: data => `${text(data.hook)} ${data.ok === true ? 'succeeded' : `failed${because(data)}`}`,
  killed: data =>
    `${text(data.id)} ${text(data.level)} of ${text(data.scope)} by ${text(data.by)}${because(data)}`,
  released: data => `${text(data.id)} by ${text(data.by)}${because(data)}`,
  status: data => text(data.text),
  link_client: data => clientPhrase(data, `${text(data.client)} ${text(data.what)}`),
  link_refused: data => clientPhrase(data, `${text(data.client ?? '?')}: ${text(data.what)}`),
  reconciled: data => `${data.ok === true ? 'its books agree' : 'its books do NOT agree'}${detail(data)}`,
  refused_speaker: data => `${text(data.reason)} (${text(data.count)} so far)`,
  job_planned: data => `${text(data.nominal ?? data.trigger)} by ${text(data.by)}, run ${text(data.run_id)}`,
  job_running: data => attemptPhrase(data),
  job_ended: data => `${text(data.outcome)}, run ${text(data.run_id)}${because(data)}`,
  upgraded: data => `${text(data.from)} -> ${text(data.to)} by ${text(data.by)}`,
  upgrade_refused: data => `${text(data.from)} -> ${text(data.to)} by ${text(data.by)}${because(data)}`,
}

function attemptPhrase(data: Data): string {
  const attempts = Array.isArray(data.attempts) ? (data.attempts as { ended_ms?: unknown }[]) : []
  const ended = attempts.at(-1)?.ended_ms == null ? '' : ' ended'
  return `attempt ${attempts.length} of run ${text(data.run_id)}${ended}${because(data)}`
}

function clientPhrase(data: Data, said: string): string {
  if (data.left_out !== undefined) return `${text(data.left_out)} more were left out`
  return `${said}${data.topic === undefined ? '' : ` ${text(data.topic)}`}${because(data)}`
}

function exitPhrase(data: Data): string {
  const how =
    data.known !== true
      ? 'exit unknown'
      : data.signal !== null
        ? text(data.signal)
        : `exit ${text(data.code)}`
  const after = typeof data.uptime_s === 'number' ? ` after ${Math.round(data.uptime_s)}s` : ''
  const memory = data.oom === true ? ' (out of memory)' : ''
  return `${how}${memory}${after}${data.asked === true ? ', asked for' : ''}`
}

function planPhrase(data: Data): string {
  const changes = Array.isArray(data.changes)
    ? (data.changes as { module?: unknown; change?: unknown }[])
    : []
  const list = changes.map(change => `${text(change.change)} ${text(change.module)}`).join(', ')
  return `by ${text(data.by)}${list === '' ? '' : `: ${list}`}`
}

function because(data: Data): string {
  return data.reason == null || data.reason === '' ? '' : `: ${text(data.reason)}`
}

function detail(data: Data): string {
  return typeof data.detail === 'string' && data.detail !== '' ? `: ${data.detail}` : ''
}

function rest(data: Data): string {
  const known = ['reason', 'why', 'what']
    .map(key => data[key])
    .filter(value => typeof value === 'string' && value !== '')
  const by = typeof data.by === 'string' ? `by ${data.by}` : ''
  return [...known.map(text), by].filter(part => part !== '').join(', ')
}

function spanText(value: unknown): string {
  return typeof value === 'number' ? formatDuration(value) : '?'
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}
