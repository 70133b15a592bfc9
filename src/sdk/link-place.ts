/** Where the broker is and who we are there, as MARK says in the environment. Pure. */
export interface LinkPlace {
  readonly target:
    | { readonly kind: 'unix'; readonly path: string }
    | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number }
  readonly username: string
  readonly password: string | null
  /** MARK's own broker: it is back within a second. */
  readonly isOwn: boolean
}

/** null: there is no link here, or nothing that names one. */
export function linkPlaceOf(env: NodeJS.ProcessEnv): LinkPlace | null {
  const { MARK_LINK_URL: url, MARK_LINK_USERNAME: username, MARK_LINK_PASSWORD: password } = env
  if (!url || !username) return null
  const who = { username, password: password || null }
  if (url.startsWith('unix:')) {
    return { target: { kind: 'unix', path: url.slice('unix:'.length) }, ...who, isOwn: true }
  }
  const found = /^(mqtts?):\/\/(\[[^\]]+\]|[^/:]+)(?::(\d+))?\/?$/.exec(url)
  if (!found) return null
  const isTls = found[1] === 'mqtts'
  const host = (found[2] as string).replace(/^\[|\]$/g, '')
  const port = Number(found[3] ?? (isTls ? 8883 : 1883))
  return { target: { kind: isTls ? 'tls' : 'tcp', host, port }, ...who, isOwn: false }
}

const FIRST_RETRY_MS = 50

/** Before the `attempt`-th (from 0) connection after one that was lost. */
export function retryMs(attempt: number, isOwn: boolean): number {
  return Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempt, 20), isOwn ? 500 : 30_000)
}
