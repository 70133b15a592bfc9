/**
 * What `mark check` says of a schedule that is sound: times that a clock change skips, and steps that are no
 * steady distance. Judged by the zone's rules of a few years ahead, so that it needs no clock.
 */
import type { TimeZone } from '../../core/cron-instants.ts'
import type { Clockwork, JobSpec } from '../../core/schedule.ts'
import { formatWall } from '../../core/wall-time.ts'
import { unevenStep } from '../jobs/cron-hint.ts'
import { formatPath, placeAt } from './located.ts'
import type { Scope } from './scope.ts'

const FROM_MS = Date.UTC(2030, 0)
const UNTIL_MS = Date.UTC(2034, 0)

export function warnOfSchedule(scope: Scope, job: JobSpec, line: string, clockwork: Clockwork): void {
  const path = ['jobs', job.name, 'schedule']
  const warn = (message: string, hint: string): void =>
    scope.report.warn({ at: placeAt(scope.tree, path), path: formatPath(path), message, hint })
  const uneven = unevenStep(line)
  if (uneven !== null) warn(uneven.message, uneven.hint)
  const { matcher, zone } = clockwork
  if (matcher === null || !matcher.isFixed) return
  for (const gap of gapsOf(zone)) {
    const wallMs = matcher.next(gap.fromWall - 1)
    if (wallMs === null || wallMs >= gap.untilWall) continue
    const time = formatWall(wallMs).slice(11)
    warn(`on one day a year ${job.timezone} has no ${time}`, whatHappens(job, wallMs, gap))
    return
  }
}

interface Gap {
  readonly fromWall: number
  readonly untilWall: number
}

function whatHappens({ dst, name }: JobSpec, wallMs: number, { fromWall, untilWall }: Gap): string {
  const shifted = formatWall(wallMs + untilWall - fromWall).slice(11)
  const does = {
    vixie: `runs at ${formatWall(untilWall).slice(11)} then`,
    shift: `runs at ${shifted} then`,
    skip: 'does not run then',
  }[dst]
  return `it ${does} (dst: ${dst}); \`mark job next ${name} --around-dst\` shows it`
}

function gapsOf(zone: TimeZone): Gap[] {
  const gaps: Gap[] = []
  for (let here = zone.stretchAt(FROM_MS); here.untilMs < UNTIL_MS; ) {
    const next = zone.stretchAt(here.untilMs)
    const [fromWall, untilWall] = [here.untilMs + here.offsetMs, here.untilMs + next.offsetMs]
    if (untilWall > fromWall) gaps.push({ fromWall, untilWall })
    here = next
  }
  return gaps
}
