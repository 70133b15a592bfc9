/**
 * zstd in independent frames with the table of the standard seekable format at the end, so that `zstd -dc`
 * reads the file and we decompress one frame at a time, wherever it lies. Memory is bounded by a frame. What
 * is damaged is told as missing (null), never as wrong bytes.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { readAt } from './log-paths.ts'

export const FRAME_BYTES = 1024 * 1024

export interface ZstdFrame {
  /** In the compressed file. */
  readonly position: number
  readonly storedBytes: number
  /** In what was compressed. */
  readonly start: number
  readonly bytes: number
}

const SKIPPABLE = 0x184d2a5e
const SEEKABLE = 0x8f92eab1
const HEADER_BYTES = 8
const FOOTER_BYTES = 9
const ENTRY_BYTES = 8
const LEVEL = 1
/** More than any archive has: a damaged footer must not make us allocate. */
const FRAMES_MAX = 1 << 20

/** One frame, with a checksum of its content. */
export function packFrame(bytes: Buffer): Buffer {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants
  return zstdCompressSync(bytes, { params: { [ZSTD_c_compressionLevel]: LEVEL, [ZSTD_c_checksumFlag]: 1 } })
}

/** The table that goes after the last frame. */
export function seekTable(frames: readonly { storedBytes: number; bytes: number }[]): Buffer {
  const size = frames.length * ENTRY_BYTES + FOOTER_BYTES
  const table = Buffer.alloc(HEADER_BYTES + size)
  table.writeUInt32LE(SKIPPABLE, 0)
  table.writeUInt32LE(size, 4)
  let at = HEADER_BYTES
  for (const { storedBytes, bytes } of frames) {
    table.writeUInt32LE(storedBytes, at)
    table.writeUInt32LE(bytes, at + 4)
    at += ENTRY_BYTES
  }
  table.writeUInt32LE(frames.length, at)
  table.writeUInt8(0, at + 4)
  table.writeUInt32LE(SEEKABLE, at + 5)
  return table
}

/** The frames of an open file of `size` bytes; null when its table is not there or not right. */
export function readSeekTable(fd: number, size: number): ZstdFrame[] | null {
  if (size < HEADER_BYTES + FOOTER_BYTES) return null
  const footer = readAt(fd, size - FOOTER_BYTES, FOOTER_BYTES)
  if (footer.length < FOOTER_BYTES || footer.readUInt32LE(5) !== SEEKABLE) return null
  const count = footer.readUInt32LE(0)
  const entryBytes = ENTRY_BYTES + (footer.readUInt8(4) & 0x80 ? 4 : 0)
  const tableBytes = count * entryBytes + FOOTER_BYTES
  const tableAt = size - tableBytes - HEADER_BYTES
  if (count > FRAMES_MAX || tableAt < 0) return null
  const table = readAt(fd, tableAt, HEADER_BYTES + tableBytes)
  if (table.readUInt32LE(0) !== SKIPPABLE || table.readUInt32LE(4) !== tableBytes) return null
  const frames: ZstdFrame[] = []
  let position = 0
  let start = 0
  for (let at = HEADER_BYTES; frames.length < count; at += entryBytes) {
    const storedBytes = table.readUInt32LE(at)
    const bytes = table.readUInt32LE(at + 4)
    frames.push({ position, storedBytes, start, bytes })
    position += storedBytes
    start += bytes
  }
  return position === tableAt ? frames : null
}

/** What the frame holds; null when it is damaged. */
export function readFrame(fd: number, frame: ZstdFrame): Buffer | null {
  try {
    const stored = readAt(fd, frame.position, frame.storedBytes)
    const bytes = zstdDecompressSync(stored, { maxOutputLength: Math.max(1, frame.bytes) })
    return bytes.length === frame.bytes ? bytes : null
  } catch {
    return null
  }
}
