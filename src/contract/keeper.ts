/**
 * The keeper's protocol on `.mark/run/keeper.sock`: one JSON object a line, both ways, at most
 * LINE_MAX_BYTES. A client sends asks; the keeper answers each by `id`, in any order, and after `watch`
 * pushes what changes. Parsed by hand: no schema library enters the keeper. File permission (0600) is the
 * credential.
 */
import type { StaleMove } from '../core/child.ts'
import { type ErrorBody, MarkError } from '../core/errors.ts'
import type { JobMemory, JobOp } from '../core/jobs/job-book.ts'
import type { JobRow } from '../core/jobs/job-row.ts'
import type { Plan } from '../core/plan.ts'
import type {
  EventKind,
  FleetEvent,
  Health,
  ModuleEventKind,
  ModuleView,
  StatusDocument,
} from '../core/view.ts'

/** A plan of ten thousand jobs fits; nothing longer is read. */
export const LINE_MAX_BYTES = 32 * 1024 * 1024

/** Who asks: an operator's login name, `daemon`, `keeper`. Shown in reasons and kept in the journal. */
export type Ask =
  | { readonly ask: 'ping' }
  /** Answer: StatusDocument (sampled fields null: the daemon fills those). */
  | { readonly ask: 'state' }
  /** Answer: { plan: Plan | null }. */
  | { readonly ask: 'plan' }
  /**
   * Apply a plan. `only`: start just these and what they depend on (null = all). `secretValues`: secrets with
   * an `env` source, taken from the caller. Answer: { changes: Change[], first: boolean, targets: string[] };
   * `first`: nothing ran before; `targets`: modules this call wants up. Errors: MARK_LATCHED, MARK_REFUSED
   * (nothing touched).
   */
  | {
      readonly ask: 'apply'
      readonly plan: Plan
      readonly only: readonly string[] | null
      readonly secretValues: Readonly<Record<string, string>>
      readonly atomic: boolean
      readonly by: string
    }
  /** Names must exist (MARK_NO_SUCH_MODULE). Answer: { modules: string[] } when accepted, not when done. */
  | {
      readonly ask: 'start' | 'stop' | 'restart' | 'reload' | 'hold' | 'unhold'
      readonly modules: readonly string[]
      readonly by: string
      readonly reason: string | null
    }
  /**
   * Stop everything in reverse order, then MARK. Answer when accepted; the connection closes when all is
   * gone.
   */
  | { readonly ask: 'down'; readonly by: string }
  /**
   * Become another version in place: absolute paths of its Node and its keeper's main file. Answer {} once
   * that version is being proven. Then comes either the event `upgrade_refused`, or the connection closes and
   * the same process serves again. Errors (nothing touched): MARK_BUSY, MARK_REFUSED, MARK_UNSUPPORTED.
   */
  | {
      readonly ask: 'upgrade'
      readonly node: string
      readonly main: string
      readonly version: string
      readonly by: string
    }
  /** Ends the grace of every stop under way (second Ctrl-C), or of the stops of these modules alone. */
  | { readonly ask: 'hurry'; readonly by: string; readonly modules?: readonly string[] }
  /**
   * A latch file was written by the caller or is to be written: answer { id } once it is durable and stopping
   * began.
   */
  | {
      readonly ask: 'kill'
      readonly kill_id: string
      readonly scope: string
      readonly level: 'pause' | 'halt' | 'flatten'
      readonly reason: string | null
      readonly by: string
    }
  | { readonly ask: 'release'; readonly kill_id: string; readonly reason: string; readonly by: string }
  /** Daemon only: what its probes found of one run. Stale run_ids are ignored. */
  | {
      readonly ask: 'probed'
      readonly module: string
      readonly run_id: string
      readonly found: 'ready' | 'unready' | Health
      readonly reason: string
      /** With `stale`: what to do now with a run that goes on being stale. */
      readonly move?: StaleMove
    }
  /** Daemon only: something that it saw or did, for the journal. Answer: {}. */
  | {
      readonly ask: 'note'
      readonly kind: NotedKind
      readonly module: string
      readonly run_id: string | null
      readonly data: Readonly<Record<string, unknown>>
    }
  /** Daemon only: what it decided about jobs, kept as one. Answer: JobsKept. */
  | { readonly ask: 'jobs'; readonly ops: readonly JobOp[] }
  /** Daemon only: begin these attempts. Answer: { refused: StartRefusal[] }; the others were begun. */
  | { readonly ask: 'job_start'; readonly starts: readonly JobStart[] }
  /** Daemon only. Answer: JobsKept, with all that is remembered. */
  | { readonly ask: 'job_book' }
  /** Daemon only, first after connecting: its version. All exits it saw are in runs/<run_id>.exit by now. */
  | { readonly ask: 'hello'; readonly pid: number; readonly version: string }
  /** Daemon only: the archive holds every event up to `seq`, so older journal segments may go. */
  | { readonly ask: 'archived'; readonly seq: number }
  /** From now on pushes come. Answer: StatusDocument, then pushes in order. */
  | { readonly ask: 'watch' }

/** Attempt number `attempt` of an open row. `argv` null: as planned; `variables`: besides those planned. */
export interface JobStart {
  readonly run_id: string
  readonly attempt_id: string
  readonly attempt: number
  readonly argv: readonly string[] | null
  readonly variables: Readonly<Record<string, string>>
}

export interface StartRefusal {
  readonly attempt_id: string
  /** null: the ask was stale, and nothing is to be said of the run. */
  readonly error: ErrorBody | null
}

/** What the keeper remembers of jobs now, or of those that an ask changed. */
export interface JobsKept {
  readonly rows: readonly JobRow[]
  readonly jobs: Readonly<Record<string, JobMemory>>
}

/** What the daemon may add to the journal. */
export type NotedKind =
  | ModuleEventKind
  | Extract<EventKind, 'paused' | 'resumed' | 'reconciled' | 'refused_speaker' | 'alert'>

export type Push =
  | { readonly push: 'module'; readonly module: ModuleView }
  /** Fleet-level keys changed: kills, daemon, state, plan. `modules` is left out. */
  | { readonly push: 'fleet'; readonly fleet: Omit<StatusDocument, 'modules'> }
  /** A plan was applied: ask `plan` for it. */
  | { readonly push: 'plan' }
  | { readonly push: 'event'; readonly event: FleetEvent }

export type Request = Ask & { readonly id: number }
export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ErrorBody }

const ASKS: ReadonlySet<string> = new Set<Ask['ask']>([
  'ping',
  'state',
  'plan',
  'apply',
  'start',
  'stop',
  'restart',
  'reload',
  'hold',
  'unhold',
  'down',
  'upgrade',
  'hurry',
  'kill',
  'release',
  'probed',
  'note',
  'hello',
  'archived',
  'watch',
  'jobs',
  'job_start',
  'job_book',
])

/**
 * Parses one line from a client. Throws MARK_PROTOCOL with a sentence on anything that is not a known ask.
 */
export function parseRequest(line: string): Request {
  const value = parseObject(line)
  if (!Number.isSafeInteger(value.id)) throw protocolError('a request needs an integer `id`')
  if (typeof value.ask !== 'string' || !ASKS.has(value.ask)) throw protocolError('unknown ask')
  const shape = SHAPES[value.ask] ?? {}
  for (const [key, fits] of Object.entries(shape)) {
    if (!fits(value[key])) throw protocolError(`\`${value.ask}\` has a wrong \`${key}\``)
  }
  return value as unknown as Request
}

/** Parses one line from the keeper: an answer or a push. */
export function parseReply(line: string): Answer | Push {
  const value = parseObject(line)
  if (typeof value.push === 'string' || Number.isSafeInteger(value.id))
    return value as unknown as Answer | Push
  throw protocolError('neither an answer nor a push')
}

type Fits = (value: unknown) => boolean
const text: Fits = value => typeof value === 'string'
const textOrNull: Fits = value => value === null || typeof value === 'string'
const texts: Fits = value => Array.isArray(value) && value.every(item => typeof item === 'string')
const object: Fits = value => value !== null && typeof value === 'object' && !Array.isArray(value)
const target = { modules: texts, by: text, reason: textOrNull }
const FOUND: ReadonlySet<unknown> = new Set(['ready', 'unready', 'healthy', 'unhealthy', 'stale', 'unknown'])
const MOVES: ReadonlySet<unknown> = new Set<StaleMove>(['recover', 'restart'])
const NOTED: ReadonlySet<unknown> = new Set<NotedKind>([
  'paused',
  'resumed',
  'reconciled',
  'refused_speaker',
  'alert',
  'link_client',
  'link_refused',
])
const SHAPES: Readonly<Record<string, Readonly<Record<string, Fits>>>> = {
  apply: {
    plan: isPlan,
    only: value => value === null || texts(value),
    secretValues: object,
    atomic: value => typeof value === 'boolean',
    by: text,
  },
  start: target,
  stop: target,
  restart: target,
  reload: target,
  hold: target,
  unhold: target,
  down: { by: text },
  upgrade: { node: text, main: text, version: text, by: text },
  hurry: { by: text, modules: value => value === undefined || texts(value) },
  kill: {
    kill_id: text,
    scope: text,
    level: value => ['pause', 'halt', 'flatten'].includes(value as string),
    reason: textOrNull,
    by: text,
  },
  release: { kill_id: text, reason: text, by: text },
  probed: {
    module: text,
    run_id: text,
    found: value => FOUND.has(value),
    reason: text,
    move: value => value === undefined || MOVES.has(value),
  },
  note: { kind: value => NOTED.has(value), module: text, run_id: textOrNull, data: object },
  jobs: { ops: value => Array.isArray(value) && value.every(op => object(op) && text((op as JobOp).op)) },
  job_start: { starts: value => Array.isArray(value) && value.every(isStart) },
  archived: { seq: value => Number.isSafeInteger(value) },
  hello: { pid: value => Number.isSafeInteger(value), version: text },
}

function isStart(value: unknown): boolean {
  const { run_id, attempt_id, attempt, argv, variables } = (object(value) ? value : {}) as Partial<JobStart>
  const fits = text(run_id) && text(attempt_id) && Number.isSafeInteger(attempt) && object(variables)
  return fits && (argv === null || texts(argv))
}

/** Only its outline: a plan is made by loadConfig, and the socket is its owner's alone. */
function isPlan(value: unknown): boolean {
  if (!object(value)) return false
  const { modules } = value as { modules?: unknown }
  return (
    Array.isArray(modules) && modules.every(spec => object(spec) && text((spec as { name?: unknown }).name))
  )
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw protocolError('not JSON')
  }
  if (!object(value)) throw protocolError('not a JSON object')
  return value as Record<string, unknown>
}

function protocolError(why: string): MarkError {
  return new MarkError('MARK_PROTOCOL', `The keeper's protocol was not followed: ${why}.`)
}
