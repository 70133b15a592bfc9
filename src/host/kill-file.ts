/**
 * Sees the file KILL within a second: by inotify, or where that is not to be had by looking twice a second.
 */
import { existsSync, watch } from 'node:fs'
import { basename } from 'node:path'
import type { StateDir } from './state-dir.ts'

const LOOK_MS = 500

/** Calls `seen` whenever something happened to KILL and it is there. Never keeps the process alive. */
export function watchKillFile(state: StateDir, seen: () => void): void {
  const look = (): void => {
    if (existsSync(state.killFile)) seen()
  }
  const poll = (): unknown => setInterval(look, LOOK_MS).unref()
  try {
    const watcher = watch(state.dir, { persistent: false }, (_kind, name) => {
      if (name === basename(state.killFile)) look()
    })
    watcher.on('error', poll)
  } catch {
    poll()
  }
}
