/** The daemon's API over a fake fleet: for tests of who serves it and of who asks it. */
import type { ApiDeps } from '../src/daemon/api/deps.ts'
import { StreamHub } from '../src/daemon/api/stream.ts'
import type { StatusDocument } from '../src/core/view.ts'
import { FAKE_NOW, type FakeJobs } from './fake-jobs.ts'

export function fakeApi(jobs: FakeJobs, more: Partial<ApiDeps> = {}): ApiDeps {
  return {
    fleet: () => ({ fleet: 'sipa', modules: [], jobs: jobs.views }) as unknown as StatusDocument,
    module: () => null,
    said: () => null,
    hears: () => false,
    pause: () => {},
    resume: () => ({ resumed: false, halt: null }),
    keeperUp: () => true,
    ask: async () => ({}),
    archive: {
      events: async () => ({ events: [], firstId: null, lastId: null, more: false }),
      exits: async () => ({ exits: [], more: false }),
      exit: async () => null,
      jobRows: jobs.page,
      jobRow: async runId => jobs.rows.find(row => row.run_id === runId) ?? null,
      spans: async runIds => jobs.spans.filter(span => runIds.includes(span.runId)),
    },
    jobs,
    logs: { tail: () => [] },
    stream: new StreamHub({ snapshot: () => ({}), missed: async () => null }),
    matcher: () => lines => lines.map(() => true),
    version: '0.1.0',
    nowMs: () => FAKE_NOW,
    mintKillId: () => 'K-1',
    failed: error => {
      throw error
    },
    ...more,
  }
}
