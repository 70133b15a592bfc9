/**
 * Jobs while nobody schedules them: there are none, and nothing can be asked of one.
 */
import { MarkError } from '../core/errors.ts'
import type { JobsApi } from './api/deps.ts'

async function refuse(): Promise<never> {
  throw new MarkError('MARK_NOT_RUNNING', 'This daemon runs no jobs.')
}

export const noJobs: JobsApi = {
  list: () => [],
  job: () => null,
  open: () => null,
  run: refuse,
  cancel: refuse,
  pause: refuse,
  resume: refuse,
  backfill: refuse,
}
