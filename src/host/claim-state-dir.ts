/**
 * Makes a state directory a keeper's: its entries, and the directory of its sockets with the link that leads
 * there. A link that is there already is followed where it still serves, so that every keeper of a fleet is
 * found at one place.
 */
import { accessSync, constants, lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { makeStateDir } from './make-state-dir.ts'
import { makeSocketDir } from './socket-place.ts'
import { socketDirFor, type StateDir, stateDirAt } from './state-dir.ts'

export function claimStateDir(dir: string, env: { readonly XDG_RUNTIME_DIR?: string | undefined }): StateDir {
  const link = join(dir, 'run')
  const known = linkTarget(link)
  const uid = process.getuid?.() ?? 0
  makeStateDir(stateDirAt(dir, join(dir, 'sockets')))
  const wanted = socketDirFor(dir, { xdgRuntimeDir: env.XDG_RUNTIME_DIR, uid }, canWrite)
  const socketDir = makeSocketDir(dir, [known, wanted], uid)
  const state = stateDirAt(dir, socketDir)
  if (known !== socketDir) {
    rmSync(link, { force: true, recursive: true })
    symlinkSync(socketDir, link)
  }
  return state
}

function linkTarget(path: string): string | null {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : null
}

function canWrite(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK)
    return true
  } catch {
    return false
  }
}
