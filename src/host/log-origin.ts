/**
 * logs/<m>.base: where in all that a module ever wrote its live file begins, and what is being changed about
 * it. Offsets that leave MARK are logical: `base` + physical. Two equal copies with a checksum each, written
 * in place by one call, so that a full disk cannot refuse it and one damaged copy does no harm.
 *
 *   settled --> marking --> cutting --> settled        (cut: COLLAPSE_RANGE)
 *      |           '-----------'--> marking --> settled (taken back)
 *      '--> renaming --> settled                       (rotated by rename)
 *
 * `counter` is even when settled. A reader that finds the same record before and after its read, and the same
 * answer to `marked`, has read what the record says.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { originPath, readPart } from './log-paths.ts'

export type OriginPhase = 'settled' | 'marking' | 'cutting' | 'renaming'

export interface LogOrigin {
  readonly counter: number
  readonly phase: OriginPhase
  /** Logical offset of the live file's first byte. */
  readonly base: number
  /** Below this only archives are read; >= base. */
  readonly kept: number
  /** `base` and `kept` once the change is through. */
  readonly nextBase: number
  readonly nextKept: number
  /** 32 hex digits: what the marker over the live file's front says while it is not cut yet. */
  readonly nonce: string
  /** Of the live file, while it is renamed. */
  readonly inode: number
  /** What the marker stands over, as base64url. */
  readonly saved: string
}

export const MARKER_BYTES = 48
const COPY_BYTES = 256
const NO_NONCE = '0'.repeat(32)
const PHASES = 'settled|marking|cutting|renaming'
const FIELDS = `mark1 (\\d+) (${PHASES}) (\\d+) (\\d+) (\\d+) (\\d+) ([0-9a-f]{32}) (\\d+) ([\\w-]*)`
const RECORD = new RegExp(`^(${FIELDS}) ([0-9a-f]{8}) *\\n?$`)

export function settledAt(counter: number, base: number, kept: number): LogOrigin {
  const even = counter + (counter % 2)
  return {
    counter: even,
    phase: 'settled',
    base,
    kept,
    nextBase: base,
    nextKept: kept,
    nonce: NO_NONCE,
    inode: 0,
    saved: '',
  }
}

/** The record; null when there is none that proves itself. Throws HostShortage when it could not look. */
export function readOrigin(logs: string, module: string): LogOrigin | null {
  return parseOrigin(readPart(originPath(logs, module), 0, 2 * COPY_BYTES))
}

export function parseOrigin(bytes: Buffer): LogOrigin | null {
  const text = bytes.toString('latin1')
  // As MARK 0.1 wrote it: the base alone.
  const old = /^(\d{1,15})\s*$/.exec(text)
  if (old) return settledAt(0, Number(old[1]), Number(old[1]))
  return parseCopy(text.slice(0, COPY_BYTES)) ?? parseCopy(text.slice(COPY_BYTES))
}

/** Opens it for writing, made if it is not there. The caller closes it. */
export function openOrigin(logs: string, module: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  return openSync(originPath(logs, module), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640)
}

/** One call: a reader and a kill see the old record or the new one. */
export function putOrigin(fd: number, origin: LogOrigin): void {
  const copy = formatOrigin(origin)
  const written = writeSync(fd, Buffer.from(copy + copy, 'latin1'), 0, 2 * COPY_BYTES, 0)
  if (written !== 2 * COPY_BYTES) throw new Error('A log origin was written in part: the disk is full.')
}

export function writeOrigin(logs: string, module: string, origin: LogOrigin): void {
  const fd = openOrigin(logs, module)
  try {
    putOrigin(fd, origin)
  } finally {
    closeSync(fd)
  }
}

/** What stands over the first bytes of a live file that is about to be cut. */
export function markerOf(origin: LogOrigin): Buffer {
  return Buffer.from(`mark-log-cut: ${origin.nonce} `.padEnd(MARKER_BYTES - 1).concat('\n'), 'latin1')
}

function formatOrigin(o: LogOrigin): string {
  const text = [
    'mark1',
    o.counter,
    o.phase,
    o.base,
    o.kept,
    o.nextBase,
    o.nextKept,
    o.nonce,
    o.inode,
    o.saved,
  ].join(' ')
  return `${text} ${checksum(text)}`.padEnd(COPY_BYTES - 1).concat('\n')
}

function parseCopy(text: string): LogOrigin | null {
  const match = RECORD.exec(text)
  if (!match || match[11] !== checksum(match[1] as string)) return null
  const number = (at: number): number => Number(match[at])
  return {
    counter: number(2),
    phase: match[3] as OriginPhase,
    base: number(4),
    kept: number(5),
    nextBase: number(6),
    nextKept: number(7),
    nonce: match[8] as string,
    inode: number(9),
    saved: match[10] as string,
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
