/**
 * Whose a process is that speaks at a module's socket. What the keeper shows is asked first, then what it
 * wrote down before it started the run; a run may speak before either is known here, so this tries for a
 * second. Believes nothing that the process itself says.
 */
import { moduleName } from '../../core/child-name.ts'
import { recordsOf } from '../../core/keeper-state.ts'
import type { Plan } from '../../core/plan.ts'
import type { ModuleView } from '../../core/view.ts'
import { peekChildren } from '../../host/children-file.ts'
import type { RunIdentity } from '../../host/process-tree.ts'
import { runOf } from '../../host/run-of.ts'
import type { StateDir } from '../../host/state-dir.ts'

export interface ModuleRun extends RunIdentity {
  readonly module: string
}

/** The runs that live as the keeper shows them. */
export function runsOfViews(views: Iterable<ModuleView>): ModuleRun[] {
  return [...views].flatMap(({ name, pid, run_id, spares }) =>
    [{ pid, run_id }, ...spares].flatMap(run =>
      run.pid === null || run.run_id === null
        ? []
        : [{ module: name, pid: run.pid, runId: run.run_id, startTime: null }],
    ),
  )
}

/** The runs as they lie on disk, with their tags. */
export function runsOnDisk(state: Pick<StateDir, 'children'>, plan: Plan | null): ModuleRun[] {
  return recordsOf(peekChildren(state.children).document, plan).map(record => ({
    module: moduleName(record.module),
    runId: record.run_id,
    pid: record.pid,
    startTime: record.start_time,
    tag: record.tag,
  }))
}

const TRY_MS = 100
const TRIES = 10

/**
 * Calls `found` with the process's run, or null when it is none's even after a second. At once where it can;
 * never after `cancelled` says so.
 */
export function findSpeaker(
  pid: number,
  sources: readonly (() => readonly ModuleRun[])[],
  found: (run: ModuleRun | null) => void,
  cancelled: () => boolean,
  attempt = 1,
): void {
  if (cancelled()) return
  const run = ask(pid, sources)
  if (run !== null || attempt >= TRIES) return found(run)
  setTimeout(() => findSpeaker(pid, sources, found, cancelled, attempt + 1), TRY_MS).unref()
}

function ask(pid: number, sources: readonly (() => readonly ModuleRun[])[]): ModuleRun | null {
  for (const source of sources) {
    try {
      const run = runOf(pid, source())
      if (run !== null) return run
    } catch {
      // A shortage: the next try may see more.
    }
  }
  return null
}
