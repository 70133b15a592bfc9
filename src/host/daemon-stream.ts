/**
 * Hears the daemon's stream of events over its unix socket until it ends or is closed. A daemon that is away
 * is an end like any other. What it says that is no event of a known form is passed over.
 */
const BUFFER_MAX = 8 * 1024 * 1024
const END = '\n\n'

export interface StreamHearing {
  /** From now on nothing that happens is missed. */
  opened(): void
  event(kind: string, value: unknown): void
  /** Once, unless it was closed from here. */
  ended(): void
}

export function hearDaemon(socketPath: string, hearing: StreamHearing): { close(): void } {
  // Not imported, see daemon-client.ts.
  const { request } = process.getBuiltinModule('node:http')
  let over = false
  const end = (): void => {
    if (over) return
    over = true
    outgoing.destroy()
    hearing.ended()
  }
  const headers = { host: 'localhost', accept: 'text/event-stream' }
  const outgoing = request({ socketPath, path: '/api/v1/stream', agent: false, headers })
  outgoing.once('error', end)
  outgoing.once('response', response => {
    response.once('close', end)
    response.once('error', end)
    if (response.statusCode !== 200) return end()
    response.setEncoding('utf8')
    let rest = ''
    let isOpen = false
    response.on('data', (text: string) => {
      const frames = (rest + text).split(END)
      rest = frames.pop() ?? ''
      if (rest.length > BUFFER_MAX) return end()
      for (const frame of frames) {
        if (over) return
        const [kind, value] = parsed(frame)
        if (kind === 'snapshot' && !isOpen) {
          isOpen = true
          hearing.opened()
        } else if (kind !== null) hearing.event(kind, value)
      }
    })
  })
  outgoing.end()
  return {
    close: () => {
      over = true
      outgoing.destroy()
    },
  }
}

function parsed(frame: string): [kind: string | null, value: unknown] {
  const field = (name: string): string | null =>
    frame
      .split('\n')
      .find(line => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? null
  try {
    return [field('event'), JSON.parse(field('data') ?? 'null')]
  } catch {
    return [null, null]
  }
}
