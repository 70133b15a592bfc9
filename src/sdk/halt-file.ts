/**
 * The halt level as the file system has it, which is true whether or not MARK is there. Fails safe: what is
 * there and cannot be read means halt. Never throws, never waits (a pipe in the file's place included).
 */
import { closeSync, constants, lstatSync, openSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { HaltLevel } from '../contract/module.ts'

const LEVELS: readonly string[] = ['pause', 'halt', 'flatten']
const READ_BYTES = 64

/** `file` is MARK_HALT_FILE; KILL stands two directories above it. */
export function haltLevelOf(file: string): HaltLevel | null {
  return strictest(levelIn(file), isTripped(join(dirname(dirname(file)), 'KILL')) ? 'halt' : null)
}

export function strictest(a: HaltLevel | null, b: HaltLevel | null): HaltLevel | null {
  return rank(a) >= rank(b) ? a : b
}

function rank(level: HaltLevel | null): number {
  return level === null ? -1 : LEVELS.indexOf(level)
}

function levelIn(file: string, isFirst = true): HaltLevel | null {
  let fd: number | null = null
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const bytes = Buffer.alloc(READ_BYTES)
    const text = bytes.toString('utf8', 0, readSync(fd, bytes, 0, READ_BYTES, null)).trim()
    return LEVELS.includes(text) ? (text as HaltLevel) : 'halt'
  } catch (error) {
    if (fd !== null || !isAbsence(error)) return 'halt'
    if (!isTripped(file)) return null
    // It may have come between the two looks.
    return isFirst ? levelIn(file, false) : 'halt'
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** A link that leads nowhere is there, too. */
function isTripped(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return !isAbsence(error)
  }
}

function isAbsence(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
