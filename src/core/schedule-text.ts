/**
 * A schedule in a few words, for tables: the cron line, `every 90s`, `at ...`, `after a, b`, `by hand`.
 */
import type { Schedule } from './schedule.ts'
import { formatDuration, formatUtc } from './time.ts'

export function scheduleText(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'cron':
      return schedule.line
    case 'every':
      return `every ${formatDuration(schedule.everyMs)}`
    case 'at':
      return `at ${formatUtc(schedule.atMs)}`
    case 'after':
      return `after ${schedule.jobs.join(', ')}`
    case 'none':
      return 'by hand'
  }
}
