/**
 * What a run said of itself, as it is shown: the newest of each kind, bounded by what is kept of it.
 */
import type { SaidRecord } from '../../contract/api.ts'
import { formatUtc } from '../../core/time.ts'
import type { Voice } from './voice.ts'

export function saidRecord(voice: Voice): SaidRecord {
  const { runId, sdk, heartbeat, degraded, reconciled, metrics } = voice
  return {
    run_id: runId,
    connected: voice.connections > 0,
    sdk,
    heartbeat,
    degraded,
    reconciled: reconciled && {
      ok: reconciled.ok,
      detail: reconciled.detail ?? null,
      at: formatUtc(reconciled.atMs),
    },
    metrics: [...metrics.values()].map(({ name, value, labels, atMs }) => ({
      name,
      value,
      labels: labels ?? {},
      at: formatUtc(atMs),
    })),
  }
}
