/**
 * One record of the journal as one line: `<crc32, 8 hex digits> <json>\n`. What does not fit its checksum is
 * no record. JSON never holds a raw newline, so a line is a record or damage, never two.
 */
import { crc32 } from 'node:zlib'
import type { FleetEvent } from '../core/view.ts'

/** Written at each opening of a journal. `next_seq` is the least number that may follow. */
export interface JournalMark {
  readonly journal: 1
  readonly journal_id: string
  readonly next_seq: number
  readonly boot_id: string
}

export type JournalRecord = FleetEvent | JournalMark

export function encodeRecord(record: JournalRecord): Buffer {
  const json = JSON.stringify(record)
  return Buffer.from(`${checksum(json)} ${json}\n`)
}

/** `line` without its newline; null when it is damaged. */
export function decodeRecord(line: Buffer): JournalRecord | null {
  if (line.length < 11 || line[8] !== 0x20) return null
  const json = line.subarray(9)
  if (line.toString('latin1', 0, 8) !== checksum(json)) return null
  try {
    const value: unknown = JSON.parse(json.toString('utf8'))
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

export function isMark(record: JournalRecord): record is JournalMark {
  return 'journal' in record
}

function isRecord(value: unknown): value is JournalRecord {
  if (value === null || typeof value !== 'object') return false
  const { journal_id, seq, next_seq } = value as Record<string, unknown>
  return typeof journal_id === 'string' && (Number.isSafeInteger(seq) || Number.isSafeInteger(next_seq))
}

function checksum(data: string | Buffer): string {
  return crc32(data).toString(16).padStart(8, '0')
}

/**
 * The rolled segments of a journal, as `<base>.<first seq>`, oldest first. `names`: entries of its directory.
 */
export function segmentsAmong(names: readonly string[], base: string): { name: string; firstSeq: number }[] {
  const segments: { name: string; firstSeq: number }[] = []
  for (const name of names) {
    const suffix = name.startsWith(`${base}.`) ? name.slice(base.length + 1) : ''
    if (/^\d{1,15}$/.test(suffix)) segments.push({ name, firstSeq: Number(suffix) })
  }
  return segments.sort((a, b) => a.firstSeq - b.firstSeq)
}
