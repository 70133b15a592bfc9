/**
 * Reads the daemon's HTTP API over its unix socket. The file's permission is the credential. A daemon that
 * is away, hung or slow is an ordinary answer (null), never an error: whoever asks has the keeper and the
 * disk to fall back on.
 */
const BODY_MAX_BYTES = 32 * 1024 * 1024

/** The JSON document of GET `path`, or null when there is no good answer within `timeoutMs`. */
export function askDaemon(socketPath: string, path: string, timeoutMs: number): Promise<unknown> {
  return new Promise(resolve => {
    // Not imported: an import of node:http loads undici too, 40 ms and 15 MB that only browsers' fetch needs.
    const { request } = process.getBuiltinModule('node:http')
    const signal = AbortSignal.timeout(timeoutMs)
    const call = request({
      socketPath,
      path,
      signal,
      agent: false,
      headers: { host: 'localhost', accept: 'application/json' },
    })
    call.once('error', () => resolve(null))
    call.once('response', response => {
      const parts: Buffer[] = []
      let size = 0
      response.on('data', (part: Buffer) => {
        size += part.length
        if (size > BODY_MAX_BYTES) response.destroy()
        else parts.push(part)
      })
      response.once('error', () => resolve(null))
      response.once('close', () => resolve(null))
      response.once('end', () => resolve(response.statusCode === 200 ? parse(Buffer.concat(parts)) : null))
    })
    call.end()
  })
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
}
