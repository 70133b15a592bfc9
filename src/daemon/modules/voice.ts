/**
 * What one run has said of itself on MARK_SOCKET, and what of it is kept: the newest of each kind, bounded.
 */
import type { Heartbeat, ModuleMessage } from '../../contract/module.ts'
import { type HeartbeatWatch, heardBeat, heardPing, NEVER_HEARD } from '../../core/heartbeat.ts'
import type { Instant } from '../../core/time.ts'

type Said<T extends ModuleMessage['type']> = Extract<ModuleMessage, { type: T }>

/** One sample of a metric. */
export interface Sample extends Omit<Said<'metric'>, 'type'> {
  readonly atMs: number
}

export interface LastWords {
  readonly closing: Said<'closing'> | null
  readonly crash: Said<'crash'> | null
}

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
  reconciled: (Omit<Said<'reconciled'>, 'type'> & { readonly atMs: number }) | null
  /** Of each of its processes: only those of the main one say how the run ended. */
  readonly lastWords: Map<number, LastWords>
  readonly metrics: Map<string, Sample>
  /** Last seq of each of its processes. */
  readonly seqs: Map<number, number>
  connections: number
}

const METRICS_MAX = 100
const METRIC_MAX_CHARS = 2048
const SPEAKERS_MAX = 16
const LAST_WORDS_MAX = 4
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
    lastWords: new Map(),
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
      voice.reconciled = reconciled(message, now)
      return
    case 'closing':
      return speakLast(voice, pid, { closing: message })
    case 'crash':
      return speakLast(voice, pid, { crash: message })
    case 'metric':
      return metric(voice, message, now)
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

function reconciled({ ok, detail }: Said<'reconciled'>, now: Instant): Voice['reconciled'] {
  const cut = detail === undefined ? {} : { detail: detail.slice(0, REASON_MAX_CHARS) }
  return { ok, ...cut, atMs: now.wallMs }
}

/** The newest sample of each name. */
function metric(voice: Voice, { type: _type, ...sample }: Said<'metric'>, now: Instant): void {
  const { name } = sample
  if (!voice.metrics.has(name) && voice.metrics.size >= METRICS_MAX) return
  if (JSON.stringify(sample).length > METRIC_MAX_CHARS) return
  voice.metrics.set(name, { ...sample, atMs: now.wallMs })
}

function speakLast(voice: Voice, pid: number, words: Partial<LastWords>): void {
  const before = voice.lastWords.get(pid) ?? { closing: null, crash: null }
  keep(voice.lastWords, pid, { ...before, ...words }, LAST_WORDS_MAX)
}

function keep<K, V>(map: Map<K, V>, key: K, value: V, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) map.delete(map.keys().next().value as K)
}
