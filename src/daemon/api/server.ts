/**
 * Serves the API on daemon.sock. The file is 0600 from its first moment; its permission is the credential.
 * Limits on headers, times and connections keep a bad client from costing anything.
 */
import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

export interface ApiServer {
  close(): Promise<void>
}

const SOCKETS_MAX = 256

/** Only one daemon runs per fleet (the keeper sees to that), so whatever lies at `path` is a dead one's. */
export async function serveApi(
  app: Hono,
  path: string,
  failed: (error: unknown) => void,
): Promise<ApiServer> {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5000 },
    (request, response) => {
      response.on('error', () => response.destroy())
      void Promise.resolve(listener(request, response)).catch(failed)
    },
  )
  server.maxConnections = SOCKETS_MAX
  server.on('clientError', (_error, socket) => socket.destroy())
  rmSync(path, { force: true })
  await listen(server, path)
  server.on('error', failed)
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
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
