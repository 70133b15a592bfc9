/**
 * Bytes on disk of files and directories, counted as `du` does (allocated blocks), without following links
 * and with a bound on the work. Never throws: what cannot be read counts nothing.
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const ENTRIES_MAX = 20_000
const BLOCK_BYTES = 512

export async function diskUse(paths: readonly string[]): Promise<number> {
  const queue = [...paths]
  let bytes = 0
  let entries = 0
  for (let path = queue.pop(); path !== undefined && entries < ENTRIES_MAX; path = queue.pop()) {
    entries++
    const stat = await lstat(path).catch(() => null)
    if (!stat) continue
    bytes += stat.blocks * BLOCK_BYTES
    if (!stat.isDirectory()) continue
    const names = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => [])
    for (const entry of names.slice(0, ENTRIES_MAX - entries)) queue.push(join(path, entry.name))
  }
  return bytes
}
