/**
 * Names of children: a module's own, `x~next` for the incoming or outgoing run of a reload of x, and the
 * daemon's. No module can be called like the last two.
 */
export const DAEMON = '@daemon'
const NEXT = '~next'

export function nextName(module: string): string {
  return module + NEXT
}

export function moduleName(child: string): string {
  return child.endsWith(NEXT) ? child.slice(0, -NEXT.length) : child
}
