/**
 * A word from a command to the keeper that systemd is about to start for it: a call is coming, so do not open
 * the last session by yourself. Counts only while the command that left it lives; never outlives a reboot.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readRegularFile, writeAtomic } from './atomic-file.ts'
import { alive, bootId, readStat } from './proc.ts'
import type { StateDir } from './state-dir.ts'

/** Leaves the word in this process's name. Returns how to take it back. */
export function leaveUpCall(state: StateDir): () => void {
  const path = pathOf(state)
  const call = { pid: process.pid, start_time: readStat(process.pid)?.startTime, boot_id: bootId() }
  writeAtomic(path, JSON.stringify(call), { mode: 0o600, fsync: false })
  return () => rmSync(path, { force: true })
}

/** Does a living command say that it is about to call? What cannot be read says nothing. */
export function hasUpCall(state: StateDir): boolean {
  try {
    const call = JSON.parse(readRegularFile(pathOf(state))?.toString('utf8') ?? 'null')
    return call?.boot_id === bootId() && alive({ pid: call.pid, startTime: call.start_time })
  } catch {
    return false
  }
}

function pathOf(state: StateDir): string {
  return join(state.dir, 'up.call')
}
