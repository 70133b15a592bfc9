/**
 * Parsers of option values; each throws what the command line reports as a usage error (exit 2).
 */
import { InvalidArgumentError } from 'commander'
import { parseDurationMs } from '../core/time.ts'
import { parseRfc3339 } from '../core/wall-time.ts'
import type { CliContext } from './context.ts'

/** Runs a verb with the context made from the global options; what it returns is the exit status. */
export type Go = (verb: (context: CliContext) => Promise<number>) => Promise<void>

/** Milliseconds. */
export function durationOption(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === null) throw new InvalidArgumentError('Expected a duration such as 30s, 5m or 1h.')
  return ms
}

/** Unix milliseconds. */
export function momentOption(text: string): number {
  const ms = parseRfc3339(text)
  if (ms === null) throw new InvalidArgumentError('Expected a time such as 2026-03-28T12:00:00+01:00.')
  return ms
}

export function countOption(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}

export function choiceOption(choices: readonly string[]): (text: string) => string {
  return text => {
    const found = choices.find(choice => choice.toLowerCase() === text.toLowerCase())
    if (found === undefined) throw new InvalidArgumentError(`Expected one of: ${choices.join(', ')}.`)
    return found
  }
}
