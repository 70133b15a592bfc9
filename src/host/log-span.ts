/**
 * A module's output as one long span of bytes, addressed by logical offset, over archives and the live file.
 * Every read is checked against the origin record afterwards and done again if the file was cut or rotated
 * meanwhile: what comes back is what the module wrote at that offset. Changes nothing.
 */
import { closeSync } from 'node:fs'
import { type LogArchive, ArchiveReader, archivesOf } from './log-archive.ts'
import { frontOf, type LogFront, lookAtLive } from './log-front.ts'
import { readAt } from './log-paths.ts'

const ATTEMPTS = 50

/** Throws HostShortage when it could not look. A log that is not there is an empty span. */
export function openSpan(logs: string, module: string): LogSpan {
  return new LogSpan(logs, module)
}

export class LogSpan {
  readonly #logs: string
  readonly #module: string
  readonly #reader = new ArchiveReader()
  #archives: LogArchive[] | null = null
  #fd: number | null = null
  #front!: LogFront
  #end = 0

  constructor(logs: string, module: string) {
    this.#logs = logs
    this.#module = module
    this.#look()
  }

  /** Logical offset of the first byte that is still kept. */
  get start(): number {
    return this.#older()[0]?.start ?? this.#front.seam
  }

  /** Logical offset after the last byte, when last looked. */
  get end(): number {
    return this.#end
  }

  /** From here on the live file is read. */
  get seam(): number {
    return this.#front.seam
  }

  /** Archives that cover what is below the seam, oldest first, none reaching into the next. */
  get archives(): readonly LogArchive[] {
    return this.#older()
  }

  /** At most `maxBytes` from `from`, without a gap: short at a missing archive and at the end. */
  read(from: number, maxBytes: number): Buffer {
    const pieces: Buffer[] = []
    let at = from
    for (let attempt = 1; at < from + maxBytes; ) {
      const left = from + maxBytes - at
      const piece = at < this.seam ? this.#fromArchives(at, left) : this.#fromLive(at, left)
      if (piece === null && attempt++ < ATTEMPTS) {
        this.#look()
        continue
      }
      if (!piece?.length) break
      pieces.push(piece)
      at += piece.length
    }
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  /** Where the next byte after a gap at `at` is kept. */
  after(at: number): number {
    return this.#older().find(({ start }) => start > at)?.start ?? Math.max(at, this.seam)
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #look(): void {
    this.close()
    this.#archives = null
    const { front, end } = lookAtLive(this.#logs, this.#module, fd => {
      this.#fd = fd
    })
    this.#front = front
    this.#end = end
  }

  #older(): LogArchive[] {
    if (this.#archives) return this.#archives
    const { seam } = this.#front
    const all = archivesOf(this.#logs, this.#module)
    // An archive never reaches over the next one's start, even if an old run still writes to it.
    this.#archives = all
      .map((archive, at) => ({ ...archive, end: Math.min(archive.end, all[at + 1]?.start ?? seam, seam) }))
      .filter(archive => archive.end > archive.start)
    return this.#archives
  }

  /** null: it was there when last looked, and is not now. */
  #fromArchives(at: number, length: number): Buffer | null {
    const archive = this.#older().find(({ start, end }) => at >= start && at < end)
    if (!archive) return Buffer.alloc(0)
    const piece = this.#reader.read(archive, at, Math.min(length, archive.end - at))
    return piece?.length ? piece : null
  }

  /** null: the file was moved meanwhile. */
  #fromLive(at: number, length: number): Buffer | null {
    if (this.#fd === null) return Buffer.alloc(0)
    const { base, token } = this.#front
    const bytes = readAt(this.#fd, at - base, Math.min(length, this.#end - at))
    return frontOf(this.#logs, this.#module, this.#fd).token === token ? bytes : null
  }
}
