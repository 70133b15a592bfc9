/**
 * Whether a map's database is still the file of its name: a write to one that was removed or replaced would
 * be no write. Looks at the directory and only after a change there at the file: a stat of the file makes the
 * kernel write its times anew, and each fsync after it a tenth slower. Must never open the file.
 */
import { type BigIntStats, statSync } from 'node:fs'

/** The times of every file system are finer than this: what came later shows. */
const SETTLED_MS = 3000

export class FileIdentity {
  readonly #dir: string
  readonly #path: string
  readonly #inode: string
  /** As the directory is now, and since when it is known so. */
  #seen = ''
  #seenMs = 0
  /** As the directory was when the file was looked at, and nothing more could come at that very time. */
  #settled: string | null = null

  constructor(dir: string, path: string) {
    this.#dir = dir
    this.#path = path
    this.#inode = inodeOf(statOf(path))
  }

  isSame(): boolean {
    const dir = statOf(this.#dir)
    const now = `${inodeOf(dir)} ${dir?.mtimeNs} ${dir?.ctimeNs}`
    if (now === this.#settled) return true
    const nowMs = performance.now()
    if (now !== this.#seen) {
      this.#seen = now
      this.#seenMs = nowMs
    }
    if (inodeOf(statOf(this.#path)) !== this.#inode) return false
    if (nowMs - this.#seenMs > SETTLED_MS) this.#settled = now
    return true
  }
}

function statOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })
}

function inodeOf(stat: BigIntStats | undefined): string {
  return stat === undefined ? 'none' : `${stat.dev} ${stat.ino}`
}
