/**
 * A child as people see it (SPEC 6). Sampled values (cpu, memory, ...) are null here: only the daemon
 * measures.
 */
import { type Child, stateOf } from './child.ts'
import { formatUtc, type Instant } from './time.ts'
import type { ModuleView } from './view.ts'

export function moduleView(child: Child, now: Instant, spares: ModuleView['spares'] = []): ModuleView {
  const { spec, run, hold } = child
  const started = run && run.exit === null && run.pid !== null ? run.started : null
  return {
    name: spec.name,
    kind: spec.kind,
    state: stateOf(child),
    reason: child.reason,
    pid: started ? (run?.pid ?? null) : null,
    run_id: run?.id ?? null,
    started_at: started ? formatUtc(started.wallMs) : null,
    ready_at: run?.ready ? formatUtc(run.ready.wallMs) : null,
    uptime_s: started ? Math.max(0, Math.round((now.monoMs - started.monoMs) / 100) / 10) : null,
    restarts: child.restarts,
    health: child.health,
    trading_state: null,
    data_age_s: null,
    hold: hold && { reason: hold.reason, by: hold.by, at: formatUtc(hold.atWallMs), until: null },
    next_start_at: child.nextStart ? formatUtc(child.nextStart.wallMs) : null,
    last_exit: child.lastExit,
    spares,
    cpu_percent: null,
    memory_bytes: null,
    disk_bytes: null,
    fds: null,
    lock: spec.lock,
    fence: null,
    backend: spec.backend,
    uptime_percent_30d: null,
  }
}
