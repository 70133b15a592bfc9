/** What PersistentMap and its thread say to each other. Plain data: it crosses by structured clone. */
import type { MapTrouble } from './map-error.ts'

export interface MapPlace {
  readonly dir: string
  readonly name: string
  /** Of the run's lock; null: it has none. */
  readonly fence: number | null
  /** How long to wait for another process that has it open. */
  readonly waitMs: number
}

/** Keys, and beside each its JSON text; null: deleted. Two flat lists are the fastest to clone. */
export interface Changes {
  readonly keys: readonly string[]
  readonly texts: readonly (string | null)[]
}

export interface Trouble {
  readonly code: MapTrouble
  readonly message: string
}

export type ToMap = ({ readonly kind: 'write' } & Changes) | { readonly kind: 'close' }

export type FromMap =
  | { readonly kind: 'rows'; readonly keys: readonly string[]; readonly texts: readonly string[] }
  | { readonly kind: 'opened' }
  /** It did not open. */
  | ({ readonly kind: 'refused' } & Trouble)
  | { readonly kind: 'written' }
  | ({ readonly kind: 'failed' } & Trouble)
