/**
 * One chaos run: a paper fleet that also crashes by itself, kills by a seeded plan, quiet until all is
 * back, `mark down`, and the judgement. Prints as it goes; returns the exit status.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { conclude, FAILED } from './conclusion.ts'
import type { PaperFleet } from './fleet.ts'
import { Killer } from './killer.ts'
import { type Look, Observer } from './observer.ts'
import { type Check, countsOf, missingStroke } from './report.ts'
import { chanceFrom, type Minima, minimaFor, planOf } from './schedule.ts'

export interface RunOptions {
  readonly kills: number
  readonly seed: number
  readonly say: (text: string) => void
}

/** MARK's own module of a fleet with a link: it dies like the others. */
const BROKER = 'link'
const LOOK_EVERY_MS = 50
const TOP_UP_MAX = 60
const UP_MS = 120_000
const DOWN_MS = 90_000
/** After the last fault each module must be back within this. */
const BACK_MS = 10_000
/** What waits for its dependencies, while MARK itself is killed again and again, may be away this long. */
const AWAY_MS = 60_000

export async function run(fleet: PaperFleet, { kills, seed, say }: RunOptions): Promise<number> {
  const began = Date.now()
  const observer = new Observer(fleet.stateDir, [...fleet.modules, BROKER])
  const killer = new Killer(fleet, observer)
  const up = await fleet.mark(['up', '-d'], UP_MS)
  if (up.code !== 0) {
    say(`FAIL \`mark up -d\` ended with ${up.code}: ${up.stderr.trim()}`)
    return FAILED
  }
  observer.start(LOOK_EVERY_MS)
  fleet.storm?.follow()
  await killer.served()
  const steps = planOf(kills, seed)
  say(`${fleet.modules.length} modules up, ${steps.length} strokes to come`)
  await killer.run(steps, (done, struck) => {
    if (done % 25 === 0)
      say(`  ${done} strokes, ${struck} kills, ${Math.round((Date.now() - began) / 1000)} s`)
  })
  await topUp(fleet, killer, minimaFor(kills), seed)
  const back = await whenWhole(killer)
  const downMs = Date.now()
  const down = await fleet.mark(['down'], DOWN_MS)
  observer.stop()
  const left = observer.everything()
  const took = `\`mark down\` took ${Date.now() - downMs} ms, ended with 0 and left nothing`
  const problems = [
    ...(down.code === 0 ? [] : [`ended with ${down.code}: ${down.stderr.trim()}`]),
    ...left.map(seen => `${seen.role} ${seen.module} ${seen.pid} still lives`),
  ]
  const checks = [...processChecks(observer, killer, back), { says: took, problems }]
  if (fleet.storm) checks.push(fleet.storm.check())
  return await conclude({
    fleet,
    observer,
    killer,
    checks,
    downMs,
    tookMs: Date.now() - began,
    kills,
    seed,
    say,
  })
}

/** Strokes that found nothing to kill, or came too late, are made up for. */
async function topUp(fleet: PaperFleet, killer: Killer, minima: Minima, seed: number): Promise<void> {
  const chance = chanceFrom(seed + 1)
  for (let more = 0; more < TOP_UP_MAX; more++) {
    const stroke = missingStroke(countsOf(killer.kills), fleet.fills(), minima, chance())
    if (stroke === null) return
    await killer.run([{ stroke, pauseMs: 200, pick: chance() }], () => {})
  }
}

function processChecks(observer: Observer, killer: Killer, back: number | null): Check[] {
  const gaps = [...observer.longestGap].filter(([, gap]) => gap > AWAY_MS)
  const late = back === null ? [`not every module had one live process within ${BACK_MS} ms`] : []
  const away = gaps.map(([name, gap]) => `${name} was away for ${gap} ms`)
  return [
    {
      says: `0 modules lost: all back ${back ?? '?'} ms after the last fault`,
      problems: [...killer.problems, ...late, ...away],
    },
    { says: '0 modules doubled at any look', problems: observer.doubled },
  ]
}

/** Ms until keeper, daemon and one process of each module live at one look; null: not within BACK_MS. */
async function whenWhole(killer: Killer): Promise<number | null> {
  const began = Date.now()
  const isWhole = (look: Look): boolean =>
    look.keeperServes && look.daemonWitnesses && [...look.modules.values()].every(runs => runs.length === 1)
  while (Date.now() - began < BACK_MS) {
    const look = await killer.served()
    if (look && isWhole(look)) return Date.now() - began
    await sleep(LOOK_EVERY_MS)
  }
  return null
}
