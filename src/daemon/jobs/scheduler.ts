/**
 * The scheduler's edge: asks core what is to be done about each job whose time has come or of which something
 * was heard, has the keeper remember it, and then begin attempts. One thing at a time; what fails is asked
 * again from the keeper's own book. Decides nothing itself, starts nothing itself.
 */
import type { Ask, JobStart, JobsKept, StartRefusal } from '../../contract/keeper.ts'
import { decideJob, withDownstream } from '../../core/jobs/decide.ts'
import { fillIn } from '../../core/jobs/fill-in.ts'
import { beginBy, type FinishGiven } from '../../core/jobs/finish.ts'
import { JobBook, type JobOp } from '../../core/jobs/job-book.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import { isOpen, type JobAttempt, type JobRow } from '../../core/jobs/job-row.ts'
import { endOp, type Scheduling, type StartOrder } from '../../core/jobs/scheduling.ts'
import type { Plan } from '../../core/plan.ts'
import { type Clockwork, type JobSpec, nextInstant } from '../../core/schedule.ts'
import type { FleetEvent } from '../../core/view.ts'
import type { Clock } from '../../host/clock.ts'
import { timeZone } from '../../contract/jobs/time-zone.ts'
import { JobAlerts, type TellAlert } from './job-alerts.ts'
import { WatchedClock } from './watched-clock.ts'

export interface SchedulerGiven {
  readonly clock: Clock
  readonly ask: (ask: Ask) => Promise<unknown>
  readonly mintId: () => string
  /** Why the kill switch forbids a job; null: it does not. */
  readonly killed: (job: string) => string | null
  readonly closed: (job: JobPlan, atMs: number) => string | null
  /** What the attempt printed for later jobs. Never rejects. */
  readonly outputsOf: (job: JobPlan, attempt: JobAttempt) => Promise<Readonly<Record<string, string>>>
  readonly used: (attempt: JobAttempt) => Pick<JobRow, 'cpu_s' | 'memory_bytes'>
  readonly say: (line: string) => void
  readonly alert: TellAlert
}

/** Re-planned at least so often, whatever the timer thinks of the clock. */
const LOOK_MS = 30_000
const OPS_AT_ONCE = 200
const AGAIN_MS = 1000
const CLOCKWORKS_MAX = 32

export class JobScheduler {
  readonly #given: SchedulerGiven
  readonly #watched = new WatchedClock()
  readonly #alerts: JobAlerts
  #jobs: ReadonlyMap<string, JobPlan> = new Map()
  #pools: Readonly<Record<string, number>> = {}
  #book: JobBook | null = null
  #clockworkOf: ((job: JobSpec) => Clockwork) | null = null
  readonly #clockworks = new Map<string, Clockwork>()
  readonly #dirty = new Set<string>()
  readonly #wakes = new Map<string, number>()
  readonly #nexts = new Map<string, number | null>()
  #timer: NodeJS.Timeout | null = null
  #tail: Promise<void> = Promise.resolve()
  #isDue = false
  #isUp = false

  constructor(given: SchedulerGiven) {
    this.#given = given
    this.#alerts = new JobAlerts(given.alert)
  }

  get book(): JobBook {
    return this.#book ?? new JobBook()
  }

  get jobs(): ReadonlyMap<string, JobPlan> {
    return this.#jobs
  }

  /** Its next instant; null: no clock decides when it runs, or nobody asked yet. */
  nextMs(job: JobPlan): number | null {
    const nowMs = this.nowMs()
    const known = this.#nexts.get(job.name)
    if (known !== undefined && (known === null || known > nowMs)) return known
    const clockwork = this.clockworkOf(job)
    if (clockwork === null) return null
    const fromMs = Math.max(nowMs, this.book.memory(job.name).decided_ms ?? nowMs)
    const next = nextInstant(job, clockwork, fromMs)?.atMs ?? null
    this.#nexts.set(job.name, next)
    return next
  }

  /** When it must begin to be done by its `finish_by`; null: nobody can say, or it is done. */
  beginBy(job: JobPlan): string | null {
    if (job.finishBy === null || this.#clockworkOf === null) return null
    return beginBy(job, this.#finishGiven(), this.nowMs())
  }

  nowMs(): number {
    return this.#given.clock.now().wallMs
  }

  clockworkOf(job: JobPlan): Clockwork | null {
    if (this.#clockworkOf === null) return null
    const key = JSON.stringify([job.schedule, job.timezone])
    const known = this.#clockworks.get(key) ?? this.#clockworkOf(job)
    // The newest last: a cron line takes 80 KB as croner reads it, and most are asked for once a day.
    this.#clockworks.delete(key)
    this.#clockworks.set(key, known)
    if (this.#clockworks.size > CLOCKWORKS_MAX)
      this.#clockworks.delete(this.#clockworks.keys().next().value as string)
    return known
  }

  /** The keeper is there, with this plan. */
  up(plan: Plan | null): void {
    this.#isUp = true
    this.#book = null
    this.setPlan(plan)
  }

  down(): void {
    this.#isUp = false
    this.#watched.leave()
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** All that happened by now is decided and kept, heard of or not, if the keeper answers. */
  async settled(): Promise<void> {
    if (this.#isIdle()) return
    this.#book = null
    this.#work()
    await this.#tail
  }

  setPlan(plan: Plan | null): void {
    this.#jobs = new Map((plan?.jobs ?? []).map(job => [job.name, job]))
    this.#pools = plan?.pools ?? {}
    this.#wakes.clear()
    this.#nexts.clear()
    for (const name of [...this.#jobs.keys(), ...this.#openJobs()]) this.#dirty.add(name)
    this.#work()
  }

  /** Something that a decision may rest on changed: the kill switch. */
  touch(): void {
    for (const name of this.#book ? this.#openJobs() : []) this.#dirty.add(name)
    this.#work()
  }

  /** The keeper told of a row. */
  heard(event: FleetEvent): void {
    const row = event.data as unknown as JobRow
    if (this.#book === null) return
    this.#book.learn([row], {})
    this.#awaken([row.job])
    this.#work()
  }

  /** Has the keeper remember these, after what is under way. The rows that changed. */
  async keep(make: (given: Scheduling) => readonly JobOp[]): Promise<readonly JobRow[]> {
    const kept = await this.#alone(async () => {
      await this.#know()
      const ops = make(this.#scheduling())
      return ops.length === 0 ? [] : await this.#keep(ops)
    })
    this.#work()
    return kept
  }

  /** One thing at a time. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#tail.then(work)
    this.#tail = mine.then(
      () => {},
      () => {},
    )
    return mine
  }

  #work(): void {
    if (!this.#isUp || this.#isDue || this.#isIdle()) return
    this.#isDue = true
    this.#alone(async () => {
      this.#isDue = false
      if (this.#isUp) await this.#pass()
    }).catch(error => {
      this.#given.say(`jobs: ${(error as Error).message}`)
      this.#book = null
      this.#arm(AGAIN_MS)
    })
  }

  /** No job, and nothing left of any that there was. */
  #isIdle(): boolean {
    return this.#jobs.size === 0 && this.#book !== null && this.#openJobs().size === 0
  }

  async #pass(): Promise<void> {
    await this.#know()
    const { wallMs } = this.#given.clock.now()
    for (const [name, atMs] of this.#wakes) if (atMs <= wallMs) this.#dirty.add(name)
    while (this.#dirty.size > 0 && this.#isUp) {
      await this.#know()
      const ops = this.#decideSome()
      if (ops.length > 0) await this.#keep(await this.#enriched(ops))
    }
    if (this.#isUp && this.#jobs.size > 0) this.#alerts.look(this.#finishGiven(), this.nowMs())
    this.#arm(this.#untilNextMs())
  }

  /** Decides until there is enough to be kept at once, and begins what may begin. */
  #decideSome(): JobOp[] {
    const ops: JobOp[] = []
    const decided: string[] = []
    const starts: (JobStart | null)[] = []
    for (const name of [...this.#dirty]) {
      const job = this.#jobs.get(name)
      const decision = this.#book ? decideJob(name, this.#scheduling()) : null
      // What follows from the ends of two runs is counted one after the other.
      const isAlone = decision?.ops.some(op => op.op === 'arrived' || op.op === 'end') ?? false
      if (isAlone && ops.length > 0) break
      this.#dirty.delete(name)
      if (!decision) continue
      if (decision.wakeMs === null) this.#wakes.delete(name)
      else this.#wakes.set(name, decision.wakeMs)
      if (job) for (const order of decision.starts) starts.push(this.#ready(job, order))
      if (decision.ops.length === 0) continue
      ops.push(...decision.ops)
      decided.push(name)
      if (isAlone || ops.length >= OPS_AT_ONCE) break
    }
    for (const name of decided) this.#dirty.add(name)
    const begun = starts.filter(start => start !== null)
    if (begun.length > 0) this.#begin(begun)
    return ops
  }

  async #know(): Promise<void> {
    if (this.#book === null) await this.#recall()
    if (this.#jobs.size > 0)
      this.#clockworkOf ??= (await import('../../contract/jobs/clockwork.ts')).clockworkOf
  }

  async #recall(): Promise<void> {
    const kept = (await this.#given.ask({ ask: 'job_book' })) as JobsKept
    const book = new JobBook()
    book.learn(kept.rows, kept.jobs)
    this.#book = book
    for (const name of [...this.#jobs.keys(), ...this.#openJobs()]) this.#dirty.add(name)
  }

  async #keep(ops: readonly JobOp[]): Promise<readonly JobRow[]> {
    const { rows, jobs } = (await this.#given.ask({ ask: 'jobs', ops })) as JobsKept
    this.#book?.learn(rows, jobs)
    this.#alerts.kept(rows, this.#jobs)
    this.#awaken([...rows.map(row => row.job), ...Object.keys(jobs)])
    return rows
  }

  /** What is to be asked of the keeper for it; null: it cannot begin, which is said of its row. */
  #ready(job: JobPlan, { row, attemptId, attempt }: StartOrder): JobStart | null {
    const answer = fillIn(job, row, attemptId, this.book)
    if (!answer.ok) {
      this.#giveUp(row, 'failed', answer.why)
      return null
    }
    // Counted at once, so that no pool is filled twice.
    this.#book?.begin(row.run_id, attemptId, attempt, this.#given.clock.now())
    return { run_id: row.run_id, attempt_id: attemptId, attempt, ...answer.filled }
  }

  #begin(starts: readonly JobStart[]): void {
    const ended = ({ refused }: { refused: readonly StartRefusal[] }): void => {
      // Not at once: a keeper that is being taken down refuses every start.
      if (refused.length > 0) this.#doubt(AGAIN_MS)
      for (const { attempt_id, error } of refused) {
        const start = starts.find(one => one.attempt_id === attempt_id)
        const outcome = error?.code === 'MARK_LATCHED' ? 'refused_kill' : 'failed'
        if (start && error) this.#giveUp(start, outcome, error.message)
      }
    }
    this.#given.ask({ ask: 'job_start', starts }).then(
      answer => ended(answer as { refused: StartRefusal[] }),
      error => {
        this.#doubt(0)
        this.#given.say(`jobs: ${(error as Error).message}`)
      },
    )
  }

  #giveUp({ run_id }: Pick<JobRow, 'run_id'>, outcome: 'failed' | 'refused_kill', why: string): void {
    this.keep(given => {
      const row = given.book.rows.get(run_id)
      return row && isOpen(row) ? withDownstream([endOp(row, outcome, why)], given) : []
    }).catch(error => this.#given.say(`jobs: ${(error as Error).message}`))
  }

  /** What we believe may be wrong: the keeper's book is read anew. */
  #doubt(inMs: number): void {
    this.#book = null
    this.#arm(inMs)
  }

  /** What the attempts of the runs that end here used, and printed. */
  async #enriched(ops: readonly JobOp[]): Promise<JobOp[]> {
    const all: JobOp[] = []
    for (const op of ops) {
      const row = op.op === 'end' ? this.book.rows.get(op.run_id) : undefined
      const last = row?.attempts.at(-1)
      const job = row && this.#jobs.get(row.job)
      if (op.op !== 'end' || !job || !last) all.push(op)
      else {
        const isRead = op.outcome === 'succeeded' && job.outputs.length > 0
        const outputs = isRead ? await this.#given.outputsOf(job, last) : {}
        all.push({ ...op, outputs, ...this.#given.used(last) })
      }
    }
    return all
  }

  #scheduling(): Scheduling {
    const { clock, killed, closed, mintId } = this.#given
    const now = clock.now()
    return {
      jobs: this.#jobs,
      pools: this.#pools,
      book: this.book,
      nowMs: now.wallMs,
      monoMs: now.monoMs,
      watchedSinceMs: this.#watched.look(now),
      clockworkOf: job => this.clockworkOf(job) as Clockwork,
      closed,
      killed,
      mintId,
      chance: () => clock.chance(),
    }
  }

  #finishGiven(): FinishGiven {
    return {
      jobs: this.#jobs,
      book: this.book,
      closed: this.#given.closed,
      clockworkOf: job => this.clockworkOf(job) as Clockwork,
      zoneOf: timeZone,
    }
  }

  /** These, and whoever waits for a place in the same pool. */
  #awaken(names: readonly string[]): void {
    const pools = new Set(names.flatMap(name => this.#jobs.get(name)?.pool ?? []))
    for (const name of names) {
      this.#dirty.add(name)
      this.#nexts.delete(name)
    }
    for (const name of pools.size > 0 ? this.#openJobs() : []) {
      if (pools.has(this.#jobs.get(name)?.pool ?? '')) this.#dirty.add(name)
    }
  }

  #openJobs(): Set<string> {
    return new Set([...this.book.rows.values()].filter(isOpen).map(row => row.job))
  }

  #untilNextMs(): number {
    const { wallMs } = this.#given.clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const atMs of this.#wakes.values()) next = Math.min(next, atMs)
    return Math.max(0, next - wallMs)
  }

  #arm(ms: number): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (!this.#isUp || this.#isIdle()) return
    this.#timer = setTimeout(
      () => {
        this.#timer = null
        this.#watched.look(this.#given.clock.now())
        this.#work()
        if (this.#timer === null) this.#arm(LOOK_MS)
      },
      Math.min(ms, LOOK_MS),
    )
    this.#timer.unref()
  }
}
