/**
 * How libc is called: functions by their C prototype, the errno of the last one, and an errno as an error.
 * Knows nothing of what is called; host/libc.ts alone loads the library behind it.
 */
import { constants } from 'node:os'
import { MarkError } from '../core/errors.ts'
import { HostShortage, isShortage } from './shortage.ts'

export type Argument = number | string | Buffer | readonly (string | null)[] | null
export type Call = (...args: Argument[]) => number

export interface Native {
  /** Throws where the C library has no such function. */
  call(prototype: string): Call
  /** As `call`, run outside the event loop's thread; answers [result, errno]. */
  later(prototype: string): (...args: Argument[]) => Promise<readonly [result: number, errno: number]>
  /** Of the last `call`. */
  errno(): number
}

const NAMES: ReadonlyMap<number, string> = new Map(
  // Reversed: where two names share a number (EAGAIN, EWOULDBLOCK) the first, usual one wins.
  Object.entries(constants.errno)
    .map(([name, number]): [number, string] => [number, name])
    .reverse(),
)

export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`
}

/** HostShortage where the host ran out of something, else MARK_INTERNAL. */
export function failure(what: string, number: number): Error {
  const code = errnoName(number)
  if (isShortage({ code })) return new HostShortage(what, code)
  return new MarkError('MARK_INTERNAL', `The system call ${what} failed: ${code}.`)
}
