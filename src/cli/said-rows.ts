/**
 * What a module says of itself, as rows for people. What it said may be anything: control bytes are made
 * visible, and only the first metrics are shown.
 */
import type { SaidRecord } from '../contract/api.ts'
import { visibleCell } from './visible.ts'

const METRICS_SHOWN = 20

export function saidRows(said: SaidRecord): (readonly [string, string | null])[] {
  const { reconciled, metrics } = said
  const detail = reconciled?.detail ? `: ${visibleCell(reconciled.detail)}` : ''
  const more = metrics.length - METRICS_SHOWN
  return [
    [
      'socket',
      `${said.connected ? 'connected' : 'not connected'}${said.sdk ? ` (${visibleCell(said.sdk)})` : ''}`,
    ],
    ['heartbeat', heartbeatText(said.heartbeat)],
    ['degraded', said.degraded === null ? null : visibleCell(said.degraded)],
    ['reconciled', reconciled && `${reconciled.ok ? 'yes' : 'NO'}${detail} (${reconciled.at})`],
    ...metrics.slice(0, METRICS_SHOWN).map(({ name, value, labels }) => {
      const pairs = Object.entries(labels).map(([key, label]) => `${visibleCell(key)}=${visibleCell(label)}`)
      return ['metric', [`${visibleCell(name)} ${value}`, ...pairs].join(' ')] as const
    }),
    ['', more > 0 ? `and ${more} more metrics` : null],
  ]
}

/** `trading, open_orders 2, positions 1`; null: there is none. */
export function heartbeatText(heartbeat: unknown): string | null {
  if (heartbeat === null || typeof heartbeat !== 'object') return null
  const { state, seq: _seq, ts: _ts, type: _type, ...facts } = heartbeat as Record<string, unknown>
  const plain = Object.entries(facts)
    .filter(([, value]) => typeof value === 'number' || typeof value === 'string')
    .map(([key, value]) => `${key} ${visibleCell(String(value))}`)
  return [typeof state === 'string' ? visibleCell(state) : 'no state', ...plain].join(', ')
}
