/**
 * Memory given back after something large was read once: a process that then waits for days would keep what
 * the reading left behind.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadLibc } from './libc.ts'

const TIDY_AFTER_MS = 5000
/** Below that nobody would notice. */
const TIDY_FROM_PARTS = 500
let tidying: NodeJS.Timeout | null = null

/** A plan of so many modules and jobs was read. Takes some tens of ms, once, a while later. */
export function tidyUpAfter(parts: number): void {
  if (parts < TIDY_FROM_PARTS || tidying !== null) return
  tidying = setTimeout(() => {
    tidying = null
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('globalThis.gc')
    if (typeof collect === 'function') collect()
    loadLibc()?.giveBack()
  }, TIDY_AFTER_MS).unref()
}
