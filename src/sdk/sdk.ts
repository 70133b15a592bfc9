/**
 * `mark-keeper/sdk`: the public door of the TypeScript SDK, and the only place here that reads the
 * environment and listens to the process. Outside MARK (no MARK_* variables) every call is a harmless no-op.
 * Node reaches no datagram socket without native code, so NOTIFY_SOCKET is not spoken to: `ready`,
 * `stopping` and the heartbeat go over MARK_SOCKET alone, and MARK's daemon passes them on.
 */
import { EXIT } from './exit-codes.ts'
import { FleetLink } from './fleet-link.ts'
import { linkPlaceOf } from './link-place.ts'
import type { MapOptions } from './map-place.ts'
import { MarkModule } from './mark-module.ts'
import { PersistentMap as StoredMap } from './persistent-map.ts'

export type { Feed, HaltLevel, TradingState } from '../contract/module.ts'
export { EXIT, type ExitName } from './exit-codes.ts'
export type { PublishOptions, ServeOptions } from './fleet-link.ts'
export type { Halt } from './halt-watch.ts'
export type { Json } from './json-text.ts'
export { Refuse, RequestRefused, RequestUnknown } from './link-errors.ts'
export type { Ledger } from './link-ledger.ts'
export type { Asked, Handler, Recover } from './link-server.ts'
export { type MapTrouble, PersistentMapError } from './map-error.ts'
export type { MapOptions } from './map-place.ts'
export type { HeartbeatFacts } from './mark-module.ts'
export { type Moment, now } from './moment.ts'
export type { Durable, MapChange } from './persistent-map.ts'
export type { Paths, Start } from './run-context.ts'

const env = process.env
const mark = new MarkModule(env, {
  pid: process.pid,
  onStopSignal(heard) {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => heard(signal))
  },
  onCrash(heard) {
    process.on('uncaughtExceptionMonitor', heard)
  },
  onceExit(heard) {
    process.once('exit', heard)
  },
  setExitCode(code) {
    process.exitCode = code
  },
  exit: code => process.exit(code),
})

export const { fleet, module: moduleName, runId, paths, start } = mark.context

export const ready = mark.ready.bind(mark)
export const heartbeat = mark.heartbeat.bind(mark)
export const ping = mark.ping.bind(mark)
export const degraded = mark.degraded.bind(mark)
export const stopping = mark.stopping.bind(mark)
export const reconciled = mark.reconciled.bind(mark)
export const metric = mark.metric.bind(mark)
export const closing = mark.closing.bind(mark)
export const haltLevel = mark.haltLevel.bind(mark)
export const onStop = mark.onStop.bind(mark)
export const onPause = mark.onPause.bind(mark)
export const onResume = mark.onResume.bind(mark)
export const onHalt = mark.onHalt.bind(mark)
export const onActivate = mark.onActivate.bind(mark)

/** Says why and ends the process at once: `exit(EXIT.CONFIGURATION, 'no API key')`. */
export function exit(code: number = EXIT.OK, reason?: string): never {
  return mark.exit(code, reason)
}

export type PersistentMap = StoredMap
export const PersistentMap = {
  /** In MARK_STATE_DIR, or where `dir` says. Rejects with PersistentMapError. */
  open: (name: string, options: MapOptions = {}): Promise<PersistentMap> =>
    StoredMap.open(name, options, env),
}

let fleetLink: FleetLink | null = null

/** This module's end of the link between modules; the process lives until it is closed. */
export function link(): FleetLink {
  fleetLink ??= new FleetLink({
    place: linkPlaceOf(env),
    nowMs: Date.now,
    chance: Math.random,
    warn: text => process.emitWarning(text, 'MarkLinkWarning'),
  })
  return fleetLink
}
