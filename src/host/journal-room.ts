/**
 * Room on the disk for the journal before it is needed: blocks ahead of the live segment's end, and the next
 * segment made before this one is given up. What is not to be had is asked for again as the segment grows.
 * Never writes a byte and never fails: without room the journal is as it would be without this.
 */
import { closeSync, constants, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs'
import type { FileCalls } from './libc-files.ts'

/** Some thousand events. */
const AHEAD_BYTES = 512 * 1024
const LEAST_BYTES = 4096
/** What a segment must have when it is begun. */
const BEGIN_BYTES = 64 * 1024

export class JournalRoom {
  readonly #path: string
  readonly #calls: Pick<FileCalls, 'allocateAhead'> | null
  /** When the segment has grown to this, more is taken. */
  #takeAtBytes = 0

  constructor(path: string, calls: Pick<FileCalls, 'allocateAhead'> | null) {
    this.#path = path
    this.#calls = calls
  }

  opened(fd: number, sizeBytes: number): void {
    this.#takeAtBytes = 0
    this.grown(fd, sizeBytes)
  }

  grown(fd: number, sizeBytes: number): void {
    if (this.#calls === null || sizeBytes < this.#takeAtBytes) return
    let ahead = AHEAD_BYTES
    while (ahead >= LEAST_BYTES && !this.#allocate(fd, sizeBytes, ahead)) ahead /= 2
    this.#takeAtBytes = sizeBytes + Math.max(LEAST_BYTES, Math.floor(ahead / 2))
  }

  /** An empty `<path>.next` with room of its own; false: the disk has none. */
  prepareNext(): boolean {
    const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants
    try {
      rmSync(this.#next, { recursive: true, force: true })
      const fd = openSync(this.#next, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0o600)
      const has = this.#allocate(fd, 0, BEGIN_BYTES)
      closeSync(fd)
      if (!has) rmSync(this.#next, { force: true })
      return has
    } catch {
      return false
    }
  }

  /** Puts it in the place of the segment that was renamed. */
  takeNext(): void {
    try {
      renameSync(this.#next, this.#path)
    } catch {
      // The journal makes a new one.
    }
  }

  /** Gives back what a segment that is complete has ahead. */
  leave(fd: number | null, sizeBytes: number): void {
    try {
      if (fd !== null && this.#calls !== null) ftruncateSync(fd, sizeBytes)
    } catch {
      // Its room is given back when it is removed.
    }
  }

  get #next(): string {
    return `${this.#path}.next`
  }

  /** A file system that knows no room ahead has as much as it ever will. */
  #allocate(fd: number, at: number, length: number): boolean {
    try {
      return this.#calls?.allocateAhead(fd, at, length) !== 'full'
    } catch {
      return false
    }
  }
}
