/**
 * Reads /proc: who a process is, what it is doing, how it ended. Identity is pid plus start time; a pid alone
 * is never enough to signal anything. Absent is null; a shortage of descriptors or memory is thrown as
 * HostShortage, because a process that could not be looked at is not a process that is gone.
 */
import { closeSync, openSync, readSync, readdirSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import type { Exit } from '../core/exit.ts'
import { KeptFile } from './kept-file.ts'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

export interface ProcStat {
  readonly pid: number
  readonly comm: string
  readonly state: string
  readonly ppid: number
  readonly pgrp: number
  readonly session: number
  readonly threads: number
  /** Clock ticks since boot. */
  readonly startTime: number
  readonly utimeTicks: number
  readonly stimeTicks: number
  readonly rssPages: number
  /** Raw wait status; null where the kernel hides it from us (it then shows 0, which would be a lie). */
  readonly exitCode: number | null
}

export interface ProcIdentity {
  readonly pid: number
  readonly startTime: number
}

/** /proc/PID/stat; null when there is no such process. */
export function readStat(pid: number): ProcStat | null {
  const text = readProc(`/proc/${pid}/stat`)
  if (text === null) return null
  const stat = parseStat(text.toString('latin1'))
  if (stat?.exitCode === 0 && isDead(stat) && !exitVisible(pid)) return { ...stat, exitCode: null }
  return stat
}

/** Parses one /proc/PID/stat line; the name may hold blanks and parentheses. */
export function parseStat(line: string): ProcStat | null {
  const open = line.indexOf('(')
  const close = line.lastIndexOf(')')
  if (open < 0 || close < open) return null
  const rest = line.slice(close + 2).split(' ')
  // Fields are numbered from 1 in proc(5); `state` is the third.
  const field = (number: number): number => Number(rest[number - 3])
  const exitCode = rest.length > 49 ? field(52) : null
  return {
    pid: Number(line.slice(0, open)),
    comm: line.slice(open + 1, close),
    state: rest[0] ?? '?',
    ppid: field(4),
    pgrp: field(5),
    session: field(6),
    threads: field(20),
    startTime: field(22),
    utimeTicks: field(14),
    stimeTicks: field(15),
    rssPages: field(24),
    exitCode,
  }
}

/** What a process uses, as `parseUsage` fills it in; one object serves many readings. */
export interface Usage {
  /** User and system time in clock ticks. */
  ticks: number
  threads: number
  /** Clock ticks since boot. */
  startTime: number
  rssPages: number
}

/**
 * The same from the bytes of a /proc/PID/stat, `length` of them: for who reads hundreds each second. Makes no
 * garbage. false, and `usage` untouched: they are none.
 */
export function parseUsage(bytes: Uint8Array, length: number, usage: Usage): boolean {
  // The name may hold blanks and parentheses; behind the last one are only numbers and the state's letter.
  let at = length - 1
  while (at >= 0 && bytes[at] !== CLOSE) at--
  if (at < 0) return false
  at += 2
  let ticks = 0
  let threads = 0
  let startTime = 0
  for (let field = 3; field <= 24; field++) {
    let number = 0
    for (; at < length && bytes[at] !== BLANK; at++) number = number * 10 + (bytes[at] as number) - ZERO
    at++
    if (field === 14 || field === 15) ticks += number
    else if (field === 20) threads = number
    else if (field === 22) startTime = number
    else if (field === 24) {
      if (at > length) return false
      usage.ticks = ticks
      usage.threads = threads
      usage.startTime = startTime
      usage.rssPages = number
    }
  }
  return true
}

/** Numbers of a `children` file, `length` bytes of it. */
export function parseChildren(bytes: Uint8Array, length: number): number[] {
  const pids: number[] = []
  let number = 0
  for (let at = 0; at < length; at++) {
    const digit = (bytes[at] as number) - ZERO
    if (digit >= 0 && digit <= 9) number = number * 10 + digit
    else if (number > 0) {
      pids.push(number)
      number = 0
    }
  }
  if (number > 0) pids.push(number)
  return pids
}

const CLOSE = 0x29
const BLANK = 0x20
const ZERO = 0x30

/** A zombie, unless it is only the first thread that ended while others still run. */
export function isDead(stat: ProcStat): boolean {
  return stat.state === 'X' || stat.state === 'x' || (stat.state === 'Z' && stat.threads <= 1)
}

/**
 * Is this very process alive (`startTime` null: whoever has the pid now)? A zombie counts as dead. In a
 * shortage the answer is true unless proven otherwise.
 */
export function alive({ pid, startTime }: { pid: number; startTime: number | null }): boolean {
  try {
    const stat = readStat(pid)
    return stat !== null && (startTime === null || stat.startTime === startTime) && !isDead(stat)
  } catch (error) {
    if (!isShortage(error)) throw error
    return signalReaches(pid)
  }
}

/** The environment a process was started with; null when it is gone, ended or not ours to read. */
export function readEnviron(pid: number): Map<string, string> | null {
  const bytes = readProc(`/proc/${pid}/environ`)
  if (bytes === null) return null
  const environ = new Map<string, string>()
  for (const entry of bytes.toString('utf8').split('\0')) {
    const at = entry.indexOf('=')
    if (at > 0) environ.set(entry.slice(0, at), entry.slice(at + 1))
  }
  return environ
}

/** Cheaper than `readEnviron` for one question. */
export function environHas(pid: number, key: string, value: string): boolean {
  return environSays(pid, key, value) === true
}

/** As `environHas`; null when it shows no environment at all: wiped, or just now in the middle of an exec. */
export function environSays(pid: number, key: string, value: string): boolean | null {
  const bytes = readProc(`/proc/${pid}/environ`)
  if (bytes === null) return false
  if (bytes.length === 0) return null
  const wanted = `${key}=${value}`
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
    const end = at + Buffer.byteLength(wanted)
    if ((at === 0 || bytes[at - 1] === 0) && (end === bytes.length || bytes[end] === 0)) return true
  }
  return false
}

/** Children of all threads of a process. */
export function childrenOf(pid: number): number[] {
  const children: number[] = []
  let asked = false
  for (const task of listNumbers(`/proc/${pid}/task`)) {
    const list = readProc(`/proc/${pid}/task/${task}/children`)
    if (list === null) continue
    asked = true
    children.push(...parsePids(list))
  }
  return asked ? children : scanForChildren(pid)
}

/**
 * Children of a process's first thread: one file read. That is where a Node process's own children are, and
 * where the kernel sends the orphans of a subreaper.
 */
export function childrenOfMainThread(pid: number): number[] {
  const length = pid === process.pid ? OWN_CHILDREN.read(SCRATCH) : -1
  // More than fits into one page of the kernel's comes in several reads.
  if (length >= 0 && length < WHOLE_BYTES) return parseChildren(SCRATCH, length)
  const list = readProc(`/proc/${pid}/task/${pid}/children`)
  return list === null ? scanForChildren(pid) : parsePids(list)
}

/** Every process this /proc shows. */
export function allPids(): number[] {
  return listNumbers('/proc')
}

/** Random id of this boot of the kernel; '' where there is none. */
export function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id')?.toString('latin1').trim() ?? ''
}

/** Open descriptors of a process; null when not known. */
export function fdCount(pid: number): number | null {
  try {
    // Since Linux 6.2 the directory's size is their number; before, it is 0.
    return statSync(`/proc/${pid}/fd`).size || readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return null
  }
}

/** Decodes a raw wait status. `oom` is not in it and stays null. */
export function exitFromStatus(status: number, evidence: Exit['evidence']): Exit {
  const number = status & 0x7f
  if (number === 0) {
    return { known: true, code: (status >> 8) & 0xff, signal: null, core: false, oom: null, evidence }
  }
  const core = (status & 0x80) !== 0
  return { known: true, code: null, signal: signalName(number), core, oom: null, evidence }
}

/** How a zombie ended; null when it is none, or when the kernel does not show it to us. */
export function zombieExit(stat: ProcStat): Exit | null {
  if (!isDead(stat) || stat.exitCode === null) return null
  return exitFromStatus(stat.exitCode, 'zombie')
}

/** `SIGKILL` for 9; `SIG34` for the real-time signals, which have no names. */
export function signalName(number: number): string {
  return SIGNAL_NAMES.get(number) ?? `SIG${number}`
}

const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  // Reversed: where two names share a number (SIGABRT, SIGIOT) the first, usual one wins.
  Object.entries(constants.signals)
    .map(([name, number]): [number, string] => [number, name])
    .reverse(),
)

/**
 * The kernel shows 0 instead of the exit status to those who may not trace the process: root may not either
 * without CAP_SYS_PTRACE, which containers do not give.
 */
function exitVisible(pid: number): boolean {
  const set = /^CapEff:\t([0-9a-f]+)/m.exec(statusOf('self'))?.[1] ?? '0'
  if ((BigInt(`0x${set}`) >> CAP_SYS_PTRACE) & 1n) return true
  const other = statusOf(pid)
  const are = (ids: RegExp, own: number | undefined): boolean =>
    ids
      .exec(other)
      ?.slice(1)
      .every(id => Number(id) === own) ?? false
  return (
    are(/^Uid:\t(\d+)\t(\d+)\t(\d+)/m, process.geteuid?.()) &&
    are(/^Gid:\t(\d+)\t(\d+)\t(\d+)/m, process.getegid?.())
  )
}

const CAP_SYS_PTRACE = 19n

function statusOf(pid: number | 'self'): string {
  return readProc(`/proc/${pid}/status`)?.toString('latin1') ?? ''
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ESRCH'
  }
}

function scanForChildren(pid: number): number[] {
  return allPids().filter(other => readStat(other)?.ppid === pid)
}

function parsePids(list: Buffer): number[] {
  const text = list.toString('latin1').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

function listNumbers(dir: string): number[] {
  try {
    return readdirSync(dir)
      .filter(name => /^\d+$/.test(name))
      .map(Number)
  } catch (error) {
    throwShortage(error, dir)
    return []
  }
}

function readProc(path: string): Buffer | null {
  try {
    const fd = openSync(path, 'r')
    try {
      return readToEnd(fd)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throwShortage(error, path)
    return null
  }
}

/** Asked at every end of a process. */
const OWN_CHILDREN = new KeptFile(`/proc/${process.pid}/task/${process.pid}/children`)
const WHOLE_BYTES = 2048

/** Most of /proc is small: one buffer for all, copied out, instead of a size that /proc does not know. */
const SCRATCH = Buffer.allocUnsafeSlow(16 * 1024)

function readToEnd(fd: number): Buffer {
  const pieces: Buffer[] = []
  let filled = 0
  for (;;) {
    const count = readSync(fd, SCRATCH, filled, SCRATCH.length - filled, null)
    filled += count
    if (count > 0 && filled < SCRATCH.length) continue
    pieces.push(Buffer.from(SCRATCH.subarray(0, filled)))
    if (count === 0) return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    filled = 0
  }
}

function throwShortage(error: unknown, path: string): void {
  if (isShortage(error)) throw new HostShortage(`to read ${path}`, errnoOf(error) ?? 'EMFILE')
}
