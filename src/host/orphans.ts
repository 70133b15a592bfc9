/**
 * Orphans of our runs come home to this process, their subreaper, and are reaped here: libuv waits for none
 * of them. Never touches a process that somebody else waits for; in a shortage it looks again later.
 */
import type { Libc } from './libc.ts'
import { childrenOfMainThread, readStat } from './proc.ts'
import { isShortage } from './shortage.ts'

/** Until another look where descriptors had run out. */
const SHORTAGE_WAIT_MS = 200

export class Orphans {
  readonly #libc: Pick<Libc, 'reap'> | null
  readonly #others: () => ReadonlySet<number>
  readonly #children: () => readonly number[]
  #later: NodeJS.Timeout | null = null

  /** `others`: children that are waited for elsewhere. */
  constructor(
    libc: Pick<Libc, 'reap'> | null,
    others: () => ReadonlySet<number>,
    children = (): readonly number[] => childrenOfMainThread(process.pid),
  ) {
    this.#libc = libc
    this.#others = others
    this.#children = children
  }

  /** Reaps those that have ended. */
  look(): void {
    const others = this.#others()
    try {
      for (const pid of this.#children()) {
        if (!others.has(pid) && readStat(pid)?.state === 'Z') this.#libc?.reap(pid)
      }
    } catch (error) {
      if (!isShortage(error)) throw error
      this.#later ??= setTimeout(() => {
        this.#later = null
        this.look()
      }, SHORTAGE_WAIT_MS)
    }
  }
}
