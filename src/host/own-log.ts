/**
 * MARK's own keeper.log and daemon.log within bounds: beyond 10 MB the file becomes `.1`, and the `.1` before
 * it goes. Call it before the file is opened for a new life. Never throws: a log that cannot be renamed is
 * still written to.
 */
import { lstatSync, renameSync } from 'node:fs'

const OWN_LOG_MAX_BYTES = 10 * 1024 * 1024

/** True when it was renamed. */
export function boundOwnLog(path: string, maxBytes = OWN_LOG_MAX_BYTES): boolean {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (!stat?.isFile() || stat.size <= maxBytes) return false
    renameSync(path, `${path}.1`)
    return true
  } catch {
    return false
  }
}
