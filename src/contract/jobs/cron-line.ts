/**
 * Cron lines, read by croner: the only file that knows it. Loaded only for a fleet with jobs. croner is asked
 * for wall times alone, in a zone without clock changes; what a change does is decided in core. Refuses what
 * never fires and what is written for another cron, with a hint.
 */
import { Cron, CronPattern } from 'croner'
import type { WallMatcher } from '../../core/cron-instants.ts'
import { cronHint } from './cron-hint.ts'

export type CronLine =
  | { readonly ok: true; readonly matcher: WallMatcher }
  | { readonly ok: false; readonly message: string; readonly hint: string | null }

export type ReadCronLine = (line: string, seconds: boolean) => CronLine

export const readCronLine: ReadCronLine = (line, seconds) => {
  const surprise = surpriseOf(line, seconds)
  if (surprise !== null) return { ok: false, ...surprise }
  const mode = seconds && !line.trim().startsWith('@') ? '6-part' : '5-part'
  const options = { mode, fixedTimeRule: 'no-wildcard' } as const
  try {
    const { isFixedTime } = new CronPattern(line, undefined, options)
    const cron = new Cron(line, { ...options, utcOffset: 0 })
    const matcher: WallMatcher = {
      isFixed: isFixedTime,
      next: wallMs => cron.nextRun(new Date(wallMs))?.getTime() ?? null,
    }
    if (matcher.next(0) !== null) return { ok: true, matcher }
    return { ok: false, message: 'this never fires', hint: 'no day of any year fits it' }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    const reason = said.replace(/^CronPattern: (?:Syntax error, )?/, '').replace(/\.$/, '')
    return { ok: false, message: `this is not a cron line: ${reason}`, hint: cronHint(line) }
  }
}

/** What would be read, but not as it was meant. */
function surpriseOf(line: string, seconds: boolean): { message: string; hint: string } | null {
  const fields = line.trim().split(/\s+/)
  if (line.trim().startsWith('@')) return null
  const zone = /^(?:CRON_)?TZ=/.test(line.trim())
  if (zone) return { message: 'a cron line does not say the zone here', hint: 'write `timezone:` beside it' }
  if (fields.length === 6 && !seconds) {
    const hint = `write \`seconds: true\` beside it, or five fields: "${fields.slice(1).join(' ')}"`
    return { message: 'six fields begin with seconds, which were not asked for', hint }
  }
  if (fields.length === 5 && seconds) {
    const hint = `write "0 ${fields.join(' ')}", or leave out \`seconds: true\``
    return { message: 'five fields, and the line is to begin with seconds', hint }
  }
  if (fields.length !== (seconds ? 6 : 5)) {
    const hint = 'minute, hour, day of month, month, day of week; for one moment write `at:`'
    return { message: `${fields.length} fields are no cron line of ${seconds ? 6 : 5}`, hint }
  }
  if (seconds && fields[0] === '*' && fields[1] !== '*') {
    const hint = `write "0 ${fields.slice(1).join(' ')}" for once a minute`
    return { message: 'this runs at every second of the minutes it names', hint }
  }
  return null
}
