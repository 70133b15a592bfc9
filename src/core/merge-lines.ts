/**
 * Lines of several modules as one stream by time. Each module's own order is kept whatever its clock says;
 * a line without a time goes with the line above it, so a traceback stays in one piece. Pure.
 */
interface Timed {
  readonly timeMs: number | null
}

export function mergeByTime<L extends Timed>(streams: readonly (readonly L[])[]): L[] {
  const keyed = streams.flatMap(lines => withTimes(lines))
  return keyed.sort((a, b) => a.at - b.at).map(({ line }) => line)
}

/** The time each line is placed at: never before the line above it. */
function withTimes<L extends Timed>(lines: readonly L[]): { at: number; line: L }[] {
  let at = lines.find(line => line.timeMs !== null)?.timeMs ?? Number.NEGATIVE_INFINITY
  return lines.map(line => {
    at = Math.max(at, line.timeMs ?? at)
    return { at, line }
  })
}
