/**
 * Files of /proc that are read again and again: opened once, read from the start each time, without a string
 * and without garbage. A descriptor of a process that ended answers nothing, also when its pid was given to
 * another, so what is read always belongs to the process it was opened for. Never holds more descriptors
 * than a quarter of what this process may have: the rest is opened for each read.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

const KEPT_MAX = 4096
const LIMIT_UNKNOWN = 1024

let keptMax: number | null = null
let kept = 0

export class KeptFile {
  readonly #path: string
  #fd: number | null = null
  #lost = false

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Bytes now in `into`; 0: the file is empty, -1: it is gone, for ever. Throws HostShortage when descriptors
   * or memory ran out.
   */
  read(into: Buffer): number {
    if (this.#lost) return -1
    let fd = this.#fd
    try {
      fd ??= this.#open()
      return readSync(fd, into, 0, into.length, 0)
    } catch (error) {
      if (isShortage(error)) throw new HostShortage(`to read ${this.#path}`, errnoOf(error) ?? 'EMFILE')
      this.close()
      return -1
    } finally {
      if (fd !== null && fd !== this.#fd && !this.#lost) closeSync(fd)
    }
  }

  /** Nothing is read any more. */
  close(): void {
    this.#lost = true
    if (this.#fd === null) return
    closeSync(this.#fd)
    this.#fd = null
    kept--
  }

  #open(): number {
    const fd = openSync(this.#path, 'r')
    keptMax ??= Math.min(KEPT_MAX, descriptorLimit() >> 2)
    if (kept < keptMax) {
      kept++
      this.#fd = fd
    }
    return fd
  }
}

function descriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
    return line ? Number(line[1]) : LIMIT_UNKNOWN
  } catch {
    return LIMIT_UNKNOWN
  }
}
