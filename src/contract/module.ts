/**
 * What a module and MARK say to each other on MARK_SOCKET (docs/module-protocol.md): one JSON object a line,
 * at most MODULE_LINE_MAX_BYTES. Promises: a parsed message holds only known fields of the right type; fields
 * and types that are newer than this version are left out. Parsed by hand: no schema library enters an SDK.
 * Never throws: the other side may be anything.
 */
import type { ModuleEventKind } from '../core/view.ts'

export const MODULE_PROTOCOL = 1
/** With its newline. */
export const MODULE_LINE_MAX_BYTES = 65_536
/** Of a crash: what is longer is cut, in characters. */
export const TRACEBACK_MAX_CHARS = 32_768

export const TRADING_STATES = ['starting', 'catching_up', 'trading', 'paused', 'stopped'] as const
const EVENT_KINDS = ['link_client', 'link_refused'] as const satisfies readonly ModuleEventKind[]
export type TradingState = (typeof TRADING_STATES)[number]
export type HaltLevel = 'pause' | 'halt' | 'flatten'

export interface Feed {
  readonly name: string
  readonly last_tick_ts?: number
}

export interface Heartbeat {
  readonly type: 'heartbeat'
  readonly seq: number
  readonly ts?: number
  readonly state?: TradingState
  readonly loop_lag_ms?: number
  readonly feeds?: readonly Feed[]
  readonly last_order_ack_ts?: number
  readonly orders_per_min?: number
  readonly open_orders?: number
  readonly positions?: number
  readonly exposure?: number
  readonly components?: readonly { readonly name: string; readonly state?: string }[]
  readonly version?: string
}

/** Module to MARK. Times are Unix milliseconds. */
export type ModuleMessage =
  | {
      readonly type: 'hello'
      readonly v: 1
      readonly run_id?: string
      readonly pid?: number
      readonly sdk?: string
    }
  | { readonly type: 'ready' }
  | { readonly type: 'ping'; readonly id: number }
  | Heartbeat
  | { readonly type: 'degraded'; readonly reason?: string | null }
  | { readonly type: 'stopping'; readonly reason?: string }
  | { readonly type: 'reconciled'; readonly ok: boolean; readonly detail?: string }
  | {
      readonly type: 'metric'
      readonly name: string
      readonly value: number
      readonly labels?: Readonly<Record<string, string>>
    }
  | { readonly type: 'closing'; readonly code: number; readonly reason?: string }
  | {
      readonly type: 'crash'
      readonly error: { readonly type?: string; readonly message?: string }
      readonly traceback?: string
    }
  /** Of MARK's own modules alone: what the journal is to hold. */
  | {
      readonly type: 'event'
      readonly kind: ModuleEventKind
      readonly data: Readonly<Record<string, string>>
    }
  /** Reserved: understood, and answered by nothing yet. */
  | { readonly type: 'request'; readonly id?: number; readonly ask?: string }

/** MARK to module. */
export type MarkMessage =
  | {
      readonly type: 'welcome'
      readonly v: 1
      readonly fleet: string
      readonly module: string
      readonly run_id: string
      readonly halt: HaltLevel | null
      readonly ts: number
    }
  | { readonly type: 'pong'; readonly id: number; readonly ts: number }
  | { readonly type: 'pause'; readonly reason?: string }
  | { readonly type: 'resume' }
  | { readonly type: 'halt'; readonly level: 'halt' | 'flatten'; readonly reason?: string }
  | { readonly type: 'activate' }

/** Why a line ends its connection: a sentence without anything of the line in it. */
export interface Refusal {
  readonly refused: string
}

/** A message; null: a type this version does not know, to be ignored; or why the line is refused. */
export function parseModuleLine(line: string): ModuleMessage | null | Refusal {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return { refused: 'the line is no JSON' }
  }
  if (!isObject(value)) return { refused: 'the line is no JSON object' }
  const { type } = value
  if (typeof type !== 'string') return { refused: 'a message needs a `type`' }
  const shape = SHAPES.get(type)
  if (shape === undefined) return null
  const message: Record<string, unknown> = { type }
  for (const [field, { take, required }] of Object.entries(shape)) {
    const given = value[field]
    const absent = given === undefined || (given === null && take !== textOrNull)
    if (absent && !required) continue
    const taken = absent ? undefined : take(given)
    if (taken === undefined) return { refused: `\`${type}\` has no usable \`${field}\`` }
    message[field] = taken
  }
  return message as unknown as ModuleMessage
}

/** One line with its newline. */
export function encodeMark(message: MarkMessage): string {
  return `${JSON.stringify(message)}\n`
}

/** The value as it is kept; undefined: not of the right type. */
type Take = (value: unknown) => unknown
interface Field {
  readonly take: Take
  readonly required: boolean
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

const text: Take = value => (typeof value === 'string' ? value : undefined)
const textOrNull: Take = value => (value === null ? null : text(value))
const number: Take = value => (Number.isFinite(value) ? value : undefined)
const integer: Take = value => (Number.isSafeInteger(value) ? value : undefined)
const truth: Take = value => (typeof value === 'boolean' ? value : undefined)
const version: Take = value => (value === MODULE_PROTOCOL ? value : undefined)
const state: Take = value => ((TRADING_STATES as readonly unknown[]).includes(value) ? value : undefined)
const eventKind: Take = value => ((EVENT_KINDS as readonly unknown[]).includes(value) ? value : undefined)
const cutText: Take = value => (typeof value === 'string' ? value.slice(0, TRACEBACK_MAX_CHARS) : undefined)

const texts: Take = value => {
  if (!isObject(value) || Object.values(value).some(item => typeof item !== 'string')) return undefined
  return Object.fromEntries(Object.entries(value))
}

/** A list of `{name, <field>}`: the name is needed. */
function named(field: string, take: Take): Take {
  const shape = object({ name: needs(text), [field]: may(take) })
  return value => {
    const items = Array.isArray(value) ? value.map(shape) : [undefined]
    return items.includes(undefined) ? undefined : items
  }
}

function object(fields: Readonly<Record<string, Field>>): Take {
  return value => {
    if (!isObject(value)) return undefined
    const kept: Record<string, unknown> = {}
    for (const [field, { take, required }] of Object.entries(fields)) {
      const given = value[field]
      if ((given === undefined || given === null) && !required) continue
      const taken = take(given)
      if (taken === undefined) return undefined
      kept[field] = taken
    }
    return kept
  }
}

function needs(take: Take): Field {
  return { take, required: true }
}

function may(take: Take): Field {
  return { take, required: false }
}

const SHAPES: ReadonlyMap<string, Readonly<Record<string, Field>>> = new Map(
  Object.entries<Readonly<Record<string, Field>>>({
    hello: { v: needs(version), run_id: may(text), pid: may(integer), sdk: may(text) },
    ready: {},
    ping: { id: needs(number) },
    heartbeat: {
      seq: needs(number),
      ts: may(number),
      state: may(state),
      loop_lag_ms: may(number),
      feeds: may(named('last_tick_ts', number)),
      last_order_ack_ts: may(number),
      orders_per_min: may(number),
      open_orders: may(number),
      positions: may(number),
      exposure: may(number),
      components: may(named('state', text)),
      version: may(text),
    },
    degraded: { reason: may(textOrNull) },
    stopping: { reason: may(text) },
    reconciled: { ok: needs(truth), detail: may(text) },
    metric: { name: needs(text), value: needs(number), labels: may(texts) },
    closing: { code: needs(integer), reason: may(text) },
    crash: {
      error: needs(object({ type: may(text), message: may(text) })),
      traceback: may(cutText),
    },
    event: { kind: needs(eventKind), data: needs(texts) },
    request: { id: may(number), ask: may(text) },
  }),
)
