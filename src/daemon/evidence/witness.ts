/**
 * Evidence of exits for the time when no keeper is there: a pidfd of every live run. When one fires, the exit
 * is read (the zombie first, then the pidfd once init has reaped it) and kept; it is written to
 * runs/<run_id>.exit only if the keeper could not have seen it. Where the kernel tells nothing any more, the
 * closing record of the run's main process counts. Never signals anything, never invents an exit.
 */
import type { Exit } from '../../core/exit.ts'
import { formatUtc } from '../../core/time.ts'
import type { Clock } from '../../host/clock.ts'
import type { Libc } from '../../host/libc.ts'
import { alive, bootId, readStat, zombieExit } from '../../host/proc.ts'
import { readRunRecords, writeExitEvidence } from '../../host/run-records.ts'
import type { StateDir } from '../../host/state-dir.ts'

export interface LiveRun {
  readonly runId: string
  readonly pid: number
}

interface Held {
  readonly runId: string
  readonly pid: number
  readonly startTime: number | null
  readonly pidfd: number
  readonly watch: { close(): void }
  exit: Exit | null
  /** Monotonic; set when the pidfd fired. */
  firedMs: number | null
  atMs: number
  retry: NodeJS.Timeout | null
  written: boolean
}

/** Reaping by init takes milliseconds; after this the exit stays unknown. */
const GIVE_UP_MS = 3000
/** A keeper that lives tells of the exit itself; it has the processor first where waiting loses nothing. */
const KEEPER_FIRST_MS = 20
const RETRY_MS = [2, 5, 10, 20, 50, 100]
/** While no keeper is heard: one may have come, started something and died again. Later, less often. */
const LOOK_MS = 100
const LOOK_MAX_MS = 1000
/** hello must not wait longer for evidence that is on its way. */
export const HELLO_WAIT_MS = 300

export class Witness {
  readonly #libc: Pick<Libc, 'pidfdOpen' | 'pidfdExit' | 'tellsExits' | 'watch' | 'close'>
  readonly #state: StateDir
  readonly #clock: Clock
  readonly #report: (problem: string) => void
  readonly #closingCode: (runId: string, pid: number) => number | null
  readonly #held = new Map<string, Held>()
  #linkUp = false
  #settled: (() => void)[] = []
  #bootId: string | null = null
  #looking: NodeJS.Timeout | null = null
  #lookMs = LOOK_MS

  constructor(options: {
    libc: Pick<Libc, 'pidfdOpen' | 'pidfdExit' | 'tellsExits' | 'watch' | 'close'>
    state: StateDir
    clock: Clock
    report: (problem: string) => void
    /** What the run's main process said its exit code would be: only better than nothing. */
    closingCode?: (runId: string, pid: number) => number | null
  }) {
    this.#libc = options.libc
    this.#state = options.state
    this.#clock = options.clock
    this.#report = options.report
    this.#closingCode = options.closingCode ?? (() => null)
    this.#lookAgain()
  }

  /** Takes hold of a live run; does nothing for one that is held already. */
  hold(run: LiveRun): void {
    if (this.#held.has(run.runId)) return
    try {
      const pidfd = this.#libc.pidfdOpen(run.pid)
      if (pidfd === null) return
      const held: Held = {
        ...run,
        startTime: readStat(run.pid)?.startTime ?? null,
        pidfd,
        watch: this.#libc.watch(pidfd, () => this.#fired(held)),
        exit: null,
        firedMs: null,
        atMs: 0,
        retry: null,
        written: false,
      }
      this.#held.set(run.runId, held)
    } catch (error) {
      this.#report(`no evidence of run ${run.runId} can be held: ${(error as Error).message}`)
    }
  }

  /** The keeper told of this exit itself: nothing more to keep. */
  confirmed(runId: string): void {
    const held = this.#held.get(runId)
    if (!held) return
    this.#held.delete(runId)
    this.#release(held)
  }

  /** Runs the keeper does not know of any more are let go; called with the keeper's whole view. */
  keepOnly(runIds: ReadonlySet<string>): void {
    for (const runId of [...this.#held.keys()]) if (!runIds.has(runId)) this.confirmed(runId)
  }

  /** The keeper is gone: what it cannot have told is written now. */
  linkDown(): void {
    this.#linkUp = false
    for (const held of this.#held.values()) this.#write(held)
    this.#lookMs = LOOK_MS
    this.#lookAround()
  }

  linkUp(): void {
    this.#linkUp = true
    if (this.#looking) clearTimeout(this.#looking)
    this.#looking = null
  }

  /** Resolves when all evidence is on disk, at the latest after HELLO_WAIT_MS. */
  async settle(): Promise<void> {
    if (!this.#pending()) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => {
        this.#believe()
        resolve()
      }, HELLO_WAIT_MS)
      this.#settled.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  close(): void {
    if (this.#looking) clearTimeout(this.#looking)
    for (const held of this.#held.values()) this.#release(held)
    this.#held.clear()
    this.#wakeSettled()
  }

  #lookAgain(): void {
    if (this.#looking) clearTimeout(this.#looking)
    this.#looking = setTimeout(() => this.#lookAround(), this.#lookMs).unref()
    this.#lookMs = Math.min(this.#lookMs * 1.1, LOOK_MAX_MS)
  }

  /** Runs of which no keeper lived long enough to tell. */
  #lookAround(): void {
    try {
      this.#bootId ??= bootId()
      for (const run of readRunRecords(this.#state, runId => this.#held.has(runId))) {
        const { pid, start_time: startTime } = run
        if (pid === process.pid) continue
        const lives = pid !== null && startTime !== null && alive({ pid, startTime })
        if (lives && run.boot_id === this.#bootId) this.hold({ runId: run.run_id, pid })
      }
    } catch {
      // A shortage: at the next look.
    }
    this.#lookAgain()
  }

  #pending(): boolean {
    return [...this.#held.values()].some(
      held => held.firedMs !== null && held.exit === null && held.retry !== null,
    )
  }

  #fired(held: Held): void {
    if (held.firedMs !== null) return
    held.watch.close()
    const now = this.#clock.now()
    held.firedMs = now.monoMs
    held.atMs = now.wallMs
    if (this.#linkUp && this.#libc.tellsExits) this.#lookLater(held, 0, KEEPER_FIRST_MS)
    else this.#look(held, 0)
  }

  #look(held: Held, attempt: number): void {
    held.retry = null
    held.exit = this.#read(held)
    const late = this.#clock.now().monoMs - (held.firedMs as number) >= GIVE_UP_MS
    if (held.exit === null && !late) {
      this.#lookLater(held, attempt + 1, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)])
      return
    }
    held.exit ??= this.#closingOf(held)
    if (!this.#linkUp) this.#write(held)
    if (!this.#pending()) this.#wakeSettled()
  }

  #lookLater(held: Held, attempt: number, delayMs: number | undefined): void {
    held.retry = setTimeout(() => this.#look(held, attempt), delayMs).unref()
  }

  /** The keeper waits no longer: what is not known by now is what was said before. */
  #believe(): void {
    for (const held of this.#held.values()) {
      if (held.firedMs === null || held.exit !== null) continue
      held.exit = this.#closingOf(held)
      this.#write(held)
    }
  }

  #closingOf({ runId, pid }: Held): Exit | null {
    const code = this.#closingCode(runId, pid)
    if (code === null || code < 0 || code > 255) return null
    return { known: true, code, signal: null, core: null, oom: null, evidence: 'closing' }
  }

  #read(held: Held): Exit | null {
    try {
      const stat = readStat(held.pid)
      const same = stat !== null && stat.startTime === held.startTime
      return (same ? zombieExit(stat) : null) ?? this.#libc.pidfdExit(held.pidfd)
    } catch {
      return null
    }
  }

  #write(held: Held): void {
    if (held.exit === null || held.written) return
    const { runId, pid } = held
    const evidence = held.exit.evidence === 'closing' ? 'closing' : 'daemon'
    const exit: Exit = { ...held.exit, evidence }
    try {
      writeExitEvidence(this.#state, { run_id: runId, pid, exit, at: formatUtc(held.atMs) })
      held.written = true
    } catch (error) {
      this.#report(`the exit of run ${runId} could not be written: ${(error as Error).message}`)
    }
  }

  #release(held: Held): void {
    if (held.retry) clearTimeout(held.retry)
    if (held.firedMs === null) held.watch.close()
    this.#libc.close(held.pidfd)
  }

  #wakeSettled(): void {
    for (const wake of this.#settled.splice(0)) wake()
  }
}
