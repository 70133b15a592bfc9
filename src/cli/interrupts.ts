/**
 * Signals that ask a command to end: the first ends it in good order, each later one hurries.
 */
import type { CliContext } from './context.ts'

export class Interrupts {
  /** Resolves at the first signal. */
  readonly first: Promise<void>
  /** When the first came (performance.now()); null: none yet. */
  firstMs: number | null = null
  onAgain: () => void = () => {}
  readonly #unlisten: readonly (() => void)[]

  constructor(context: Pick<CliContext, 'onSignal'>, names: readonly NodeJS.Signals[]) {
    let tell = (): void => {}
    this.first = new Promise(resolve => {
      tell = resolve
    })
    const heard = (): void => {
      if (this.firstMs !== null) return this.onAgain()
      this.firstMs = performance.now()
      tell()
    }
    this.#unlisten = names.map(name => listenTo(context, name, heard))
  }

  close(): void {
    for (const stop of this.#unlisten) stop()
  }
}

/** Any signal: the border takes them all, and names those that every command uses. */
export function listenTo(
  context: Pick<CliContext, 'onSignal'>,
  name: NodeJS.Signals,
  heard: () => void,
): () => void {
  return (context.onSignal as (name: NodeJS.Signals, heard: () => void) => () => void)(name, heard)
}
