/**
 * What one run has said of itself on MARK_SOCKET, and what of it is kept: the newest of each kind, bounded.
 */
import type { Heartbeat, ModuleMessage } from '../../contract/module.ts'
import { type HeartbeatWatch, heardBeat, heardPing, NEVER_HEARD } from '../../core/heartbeat.ts'
import type { Instant } from '../../core/time.ts'

type Said<T extends ModuleMessage['type']> = Extract<ModuleMessage, { type: T }>

export interface Voice {
  readonly module: string
  readonly runId: string
  watch: HeartbeatWatch
  heartbeat: Heartbeat | null
  /** Named in its hello: it looks at its halt file. */
  sdk: string | null
  ready: boolean
  /** null: it is not degraded. */
  degraded: string | null
  stopping: boolean
  reconciled: Said<'reconciled'> | null
  closing: Said<'closing'> | null
  crash: Said<'crash'> | null
  readonly metrics: Map<string, Said<'metric'>>
  /** Last seq of each of its processes. */
  readonly seqs: Map<number, number>
  connections: number
}

const METRICS_MAX = 100
const METRIC_MAX_CHARS = 2048
const SPEAKERS_MAX = 16
const REASON_MAX_CHARS = 500
const NAME_MAX_CHARS = 100

export function newVoice(module: string, runId: string): Voice {
  return {
    module,
    runId,
    watch: NEVER_HEARD,
    heartbeat: null,
    sdk: null,
    ready: false,
    degraded: null,
    stopping: false,
    reconciled: null,
    closing: null,
    crash: null,
    metrics: new Map(),
    seqs: new Map(),
    connections: 0,
  }
}

/** Takes down one message of the process `pid`. */
export function listen(voice: Voice, pid: number, message: ModuleMessage, now: Instant): void {
  switch (message.type) {
    case 'ready':
      voice.ready = true
      return
    case 'ping':
      voice.watch = heardPing(voice.watch, now.monoMs)
      return
    case 'heartbeat':
      return beat(voice, pid, message, now)
    case 'degraded':
      voice.degraded =
        message.reason === null ? null : (message.reason ?? 'it says so').slice(0, REASON_MAX_CHARS)
      return
    case 'stopping':
      voice.stopping = true
      return
    case 'reconciled':
      voice.reconciled = message
      return
    case 'closing':
      voice.closing = message
      return
    case 'crash':
      voice.crash = message
      return
    case 'metric':
      return metric(voice, message)
    case 'hello':
      voice.sdk ??= message.sdk?.slice(0, NAME_MAX_CHARS) ?? null
      return
    case 'request':
      return
  }
}

function beat(voice: Voice, pid: number, message: Heartbeat, now: Instant): void {
  const last = voice.seqs.get(pid)
  const fresh = last === undefined || message.seq > last
  if (fresh) keep(voice.seqs, pid, message.seq, SPEAKERS_MAX)
  const feeds = (message.feeds ?? []).map(feed => ({
    name: feed.name.slice(0, NAME_MAX_CHARS),
    lastTickMs: feed.last_tick_ts ?? null,
  }))
  voice.watch = heardBeat(voice.watch, { state: message.state ?? null, feeds }, fresh, now)
  voice.heartbeat = message
}

function metric(voice: Voice, message: Said<'metric'>): void {
  if (!voice.metrics.has(message.name) && voice.metrics.size >= METRICS_MAX) return
  if (JSON.stringify(message).length <= METRIC_MAX_CHARS) voice.metrics.set(message.name, message)
}

function keep<K, V>(map: Map<K, V>, key: K, value: V, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) map.delete(map.keys().next().value as K)
}
