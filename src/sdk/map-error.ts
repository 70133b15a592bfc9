/**
 * What PersistentMap raises. Each error says by its code what is wrong, and by `exitCode` how the module
 * should end if nobody catches it: lost state ends with 11 (reconcile), so that no restart starts empty.
 */

export type MapTrouble =
  | 'lost' // cannot be proven whole, or is gone
  | 'fenced' // a later run has had it
  | 'busy' // another process has it open
  | 'unwritable' // the disk or its permissions refuse
  | 'place' // no directory, or a name that is none
  | 'value' // not JSON
  | 'closed'
  | 'slow' // not on the disk within the time
  | 'unsupported' // this Node has no node:sqlite

export class PersistentMapError extends Error {
  readonly code: MapTrouble
  /** With which code the module should end; null: as any other error. */
  readonly exitCode: number | null

  constructor(code: MapTrouble, message: string) {
    super(message)
    this.name = 'PersistentMapError'
    this.code = code
    this.exitCode = code === 'lost' ? 11 : null
  }
}
