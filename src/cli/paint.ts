/**
 * Colours, and the sign that goes with each: what a colour says is always said by a sign or a word too.
 * Gives text back unchanged where colour is off.
 */
import type { styleText } from 'node:util'
import type { FleetState, Health, ModuleState } from '../core/view.ts'

export type Style = Parameters<typeof styleText>[0]
export type Paint = (style: Style, text: string) => string

/** `NO_COLOR` wins over `FORCE_COLOR`, which wins over what the terminal is. */
export function wantsColor(
  env: Readonly<Record<string, string | undefined>>,
  given: { readonly isTty: boolean; readonly noColor: boolean },
): boolean {
  if (given.noColor || (env.NO_COLOR !== undefined && env.NO_COLOR !== '')) return false
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0'
  return given.isTty && env.TERM !== 'dumb'
}

export function painter(color: boolean): Paint {
  if (!color) return (_style, text) => text
  // Not imported: `import` runs the getters of node:util, and who writes no colour needs none of it.
  const { styleText: paint } = process.getBuiltinModule('node:util')
  return (style, text) => paint(style, text, { validateStream: false })
}

interface Look {
  readonly sign: string
  readonly style: Style
}

const MODULE_LOOKS: Readonly<Record<ModuleState, Look>> = {
  stopped: { sign: '○', style: 'dim' },
  waiting: { sign: '◌', style: 'yellow' },
  starting: { sign: '◔', style: 'yellow' },
  ready: { sign: '●', style: 'green' },
  stopping: { sign: '◒', style: 'yellow' },
  backoff: { sign: '↻', style: 'yellow' },
  held: { sign: '■', style: 'red' },
  completed: { sign: '✓', style: 'green' },
  failed: { sign: '✗', style: 'red' },
  skipped: { sign: '–', style: 'yellow' },
}

const HEALTH_STYLES: Readonly<Record<Health, Style>> = {
  healthy: 'green',
  unhealthy: 'red',
  stale: 'yellow',
  unknown: 'dim',
}

const FLEET_STYLES: Readonly<Record<FleetState, Style>> = {
  starting: 'yellow',
  up: 'green',
  degraded: 'yellow',
  stopping: 'yellow',
  stopped: 'dim',
  unsupervised: 'red',
}

/** `● ready`, coloured. An unknown state of a newer MARK is shown as it is. */
export function paintState(paint: Paint, state: ModuleState): string {
  const look = MODULE_LOOKS[state] ?? { sign: '?', style: 'dim' }
  return paint(look.style, `${look.sign} ${state}`)
}

export function paintHealth(paint: Paint, health: Health): string {
  return paint(HEALTH_STYLES[health] ?? 'dim', health)
}

export function paintFleet(paint: Paint, state: FleetState): string {
  return paint(FLEET_STYLES[state] ?? 'dim', state)
}

const NAME_STYLES: readonly Style[] = [
  'cyan',
  'magenta',
  'blue',
  'green',
  'yellow',
  'cyanBright',
  'magentaBright',
  'blueBright',
]

/** The same colour for the n-th module in every view. */
export function nameStyle(index: number): Style {
  return NAME_STYLES[index % NAME_STYLES.length] as Style
}
