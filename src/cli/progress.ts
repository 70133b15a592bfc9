/**
 * Progress of a wait, on stderr: a table rewritten in place on a terminal, else one line for each transition.
 * Silent with --quiet. Leaves the last table standing.
 */
import type { ModuleView } from '../core/view.ts'
import type { CliContext } from './context.ts'
import type { Follow } from './follow.ts'
import { paintState } from './paint.ts'
import { clockTime, cut, pad, span, table } from './table.ts'
import { visibleCell } from './visible.ts'

export interface Progress {
  /** A line of talk that does not spoil what is drawn. */
  say(line: string): void
  /** Draws the last state and lets go of the terminal. */
  end(): void
}

/** Shows `names` (or every module) while they change. */
export function showProgress(
  context: CliContext,
  follow: Follow,
  names: ReadonlySet<string> | null,
): Progress {
  if (context.options.quiet) return { say: () => {}, end: () => {} }
  const shown = (view: ModuleView): boolean => names === null || names.has(view.name)
  if (!context.errIsTty || context.env.TERM === 'dumb') {
    let on = true
    follow.onChange((view, before) => {
      if (on && shown(view) && before?.state !== view.state) context.err(transitionLine(view, context))
    })
    return {
      say: line => context.err(line),
      end: () => {
        on = false
      },
    }
  }
  return liveTable(context, follow, shown)
}

/** `12:00:01  luka  ● ready  reason`. */
export function transitionLine(
  view: ModuleView,
  context: Pick<CliContext, 'paintErr'>,
  nameWidth = 0,
): string {
  const reason = view.reason && view.reason !== view.state ? `  ${visibleCell(view.reason)}` : ''
  const name = pad(visibleCell(view.name), nameWidth)
  const state = paintState(context.paintErr, view.state)
  return `${clockTime(Date.now())}  ${name}  ${state}${context.paintErr('dim', reason)}`
}

const REDRAW_MS = 1000
const UP = '\x1b[1A'
const CLEAR_BELOW = '\x1b[0J'

function liveTable(context: CliContext, follow: Follow, shown: (view: ModuleView) => boolean): Progress {
  let drawn = 0
  let queued = false
  let on = true
  const draw = (): void => {
    queued = false
    const lines = progressLines([...follow.views.values()].filter(shown), context).slice(
      0,
      Math.max(context.rows() - 1, 1),
    )
    context.writeErr(`${UP.repeat(drawn)}\r${CLEAR_BELOW}${lines.map(line => `${line}\n`).join('')}`)
    drawn = lines.length
  }
  const soon = (): void => {
    if (queued || !on) return
    queued = true
    setImmediate(() => {
      if (on && queued) draw()
    })
  }
  follow.onChange(soon)
  const timer = setInterval(soon, REDRAW_MS) // uptimes move on
  timer.unref()
  draw()
  return {
    say: line => {
      context.writeErr(`${UP.repeat(drawn)}\r${CLEAR_BELOW}${line}\n`)
      drawn = 0
      if (on) draw()
    },
    end: () => {
      if (!on) return
      on = false
      clearInterval(timer)
      draw()
    },
  }
}

export function progressLines(
  views: readonly ModuleView[],
  context: Pick<CliContext, 'paintErr' | 'columns'>,
): string[] {
  const rows = views.map(view => [
    visibleCell(view.name),
    paintState(context.paintErr, view.state),
    span(view.uptime_s),
    cut(visibleCell(view.reason), 200),
  ])
  return table(
    [{ title: '' }, { title: '' }, { title: '', align: 'right' }, { title: '' }],
    rows,
    context.columns,
  ).slice(1)
}
