/**
 * HTTP for the API's connections. Limits on headers and times keep a bad client from costing anything.
 * Imported only when somebody connects: with the app it is the daemon's largest part.
 */
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { ApiService } from './server.ts'

export function httpService(app: Hono, failed: (error: unknown) => void): ApiService {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5000 },
    (request, response) => {
      response.on('error', () => response.destroy())
      void Promise.resolve(listener(request, response)).catch(failed)
    },
  )
  server.on('clientError', (_error, socket) => socket.destroy())
  server.on('error', failed)
  // It counts its connections, and so their time, from this event on; another server listens for it.
  server.emit('listening')
  return {
    serve: socket => void server.emit('connection', socket),
    end: () => server.closeAllConnections(),
  }
}
