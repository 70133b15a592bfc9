/**
 * Keeps the API listening: its code is loaded at the first request, and a socket that cannot be made is tried
 * again. Never rejects.
 */
import type { ApiDeps } from './api/deps.ts'
import { type ApiServer, type ApiService, serveApi } from './api/server.ts'

export interface ApiHostDeps {
  readonly socket: string
  readonly say: (line: string) => void
  readonly api: (failed: (error: unknown) => void) => ApiDeps
}

const LISTEN_RETRY_MS = 1000

export class ApiHost {
  readonly #deps: ApiHostDeps
  #server: ApiServer | null = null
  #closed = false

  constructor(deps: ApiHostDeps) {
    this.#deps = deps
  }

  async listen(): Promise<void> {
    const { socket, say } = this.#deps
    const failed = (error: unknown): void => say(`the API failed: ${(error as Error).stack ?? String(error)}`)
    try {
      this.#server = await serveApi(socket, () => this.#load(failed), failed)
      if (this.#closed) await this.#server.close()
    } catch (error) {
      failed(error)
      if (!this.#closed) setTimeout(() => void this.listen(), LISTEN_RETRY_MS).unref()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#server?.close()
  }

  async #load(failed: (error: unknown) => void): Promise<ApiService> {
    const [{ makeApp }, { httpService }] = await Promise.all([
      import('./api/app.ts'),
      import('./api/http.ts'),
    ])
    return httpService(makeApp(this.#deps.api(failed), ['localhost', 'mark']), failed)
  }
}
