/** The daemon's socket of a fleet in `dir`, with the real API over fake jobs behind it. */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiDeps } from '../src/daemon/api/deps.ts'
import { makeApp } from '../src/daemon/api/app.ts'
import { httpService } from '../src/daemon/api/http.ts'
import { serveApi } from '../src/daemon/api/server.ts'
import { StreamHub } from '../src/daemon/api/stream.ts'
import { eventOf, type JobRow } from '../src/core/jobs/job-row.ts'
import { formatUtc } from '../src/core/time.ts'
import { fakeApi } from './fake-api.ts'
import { FAKE_NOW, type FakeJobs } from './fake-jobs.ts'

export interface FakeDaemon {
  /** The row changes, and the stream tells of it. */
  tell(row: JobRow): void
  close(): Promise<void>
}

export async function fakeDaemon(
  dir: string,
  jobs: FakeJobs,
  more: Partial<ApiDeps> = {},
): Promise<FakeDaemon> {
  const stream = new StreamHub({ snapshot: () => ({}), missed: async () => null })
  const failed = (error: unknown): void => {
    throw error
  }
  const sockets = join(dir, '.mark', 'sockets')
  mkdirSync(sockets, { recursive: true, mode: 0o700 })
  const link = join(dir, '.mark', 'run')
  rmSync(link, { force: true })
  symlinkSync('sockets', link)
  const app = makeApp(fakeApi(jobs, { stream, ...more }), ['localhost'])
  const load = async () => httpService(app, failed)
  const server = await serveApi(join(sockets, 'daemon.sock'), load, failed)
  let seq = 0
  return {
    tell: row => {
      const at = jobs.rows.findIndex(one => one.run_id === row.run_id)
      jobs.rows.splice(Math.max(at, 0), at < 0 ? 0 : 1, row)
      const of = { journal_id: 'J', seq: ++seq, at: formatUtc(FAKE_NOW), module: row.job, run_id: row.run_id }
      stream.publish({ kind: 'event', value: { ...of, kind: eventOf(row), data: { ...row } } })
    },
    close: async () => {
      stream.close()
      await server.close()
    },
  }
}
