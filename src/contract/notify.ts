/**
 * sd_notify messages (NOTIFY_SOCKET): `KEY=value` lines of one datagram. Unknown keys are ignored, as systemd
 * does.
 */
export type Notice =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'status'; readonly text: string }
  | { readonly kind: 'watchdog' }
  | { readonly kind: 'trigger' }
  | { readonly kind: 'extend'; readonly ms: number }
  | { readonly kind: 'errno'; readonly number: number }

/** At most an hour: a mistaken unit must not switch every timeout off. */
const EXTEND_MAX_MS = 3_600_000

export function parseNotify(message: string): Notice[] {
  return message.split('\n').flatMap(line => {
    const at = line.indexOf('=')
    return at <= 0 ? [] : (parse(line.slice(0, at), line.slice(at + 1)) ?? [])
  })
}

function parse(key: string, value: string): Notice | null {
  switch (key) {
    case 'READY':
      return value === '1' ? { kind: 'ready' } : null
    case 'STOPPING':
      return value === '1' ? { kind: 'stopping' } : null
    case 'STATUS':
      return { kind: 'status', text: value.slice(0, 500) }
    case 'WATCHDOG':
      return value === '1' ? { kind: 'watchdog' } : value === 'trigger' ? { kind: 'trigger' } : null
    case 'EXTEND_TIMEOUT_USEC':
      return /^\d{1,15}$/.test(value)
        ? { kind: 'extend', ms: Math.min(Number(value) / 1000, EXTEND_MAX_MS) }
        : null
    case 'ERRNO':
      return /^\d{1,6}$/.test(value) ? { kind: 'errno', number: Number(value) } : null
    default:
      return null
  }
}
