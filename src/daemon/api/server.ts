/**
 * Listens for the API on daemon.sock. The file is 0600 from its first moment; that is the credential.
 * What serves it is loaded for the first who connects: a daemon that nobody asks pays for no HTTP.
 */
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'

export interface ApiServer {
  close(): Promise<void>
}

/** Serves connections that somebody else accepted. */
export interface ApiService {
  serve(socket: Socket): void
  /** Ends every connection at once. */
  end(): void
}

const SOCKETS_MAX = 256

/** Only one daemon runs per fleet (the keeper sees to that), so whatever lies at `path` is a dead one's. */
export async function serveApi(
  path: string,
  load: () => Promise<ApiService>,
  failed: (error: unknown) => void,
): Promise<ApiServer> {
  let loading: Promise<ApiService> | null = null
  let service: ApiService | null = null
  const early = new Set<Socket>()
  // Nothing may be read of a connection before its server is there.
  const server = createServer({ pauseOnConnect: true }, socket => {
    early.add(socket)
    socket.once('close', () => early.delete(socket))
    loading ??= load()
    loading.then(
      loaded => {
        service = loaded
        if (!early.delete(socket) || socket.destroyed) return
        loaded.serve(socket)
        socket.resume()
      },
      error => {
        failed(error)
        loading = null
        socket.destroy()
      },
    )
  })
  server.maxConnections = SOCKETS_MAX
  rmSync(path, { force: true })
  await listen(server, path)
  server.on('error', failed)
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        service?.end()
        for (const socket of [...early]) socket.destroy()
      }),
  }
}

function listen(server: Server, path: string): Promise<void> {
  const before = process.umask(0o177)
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.removeListener('error', reject)
      resolve()
    })
  }).finally(() => process.umask(before))
}
