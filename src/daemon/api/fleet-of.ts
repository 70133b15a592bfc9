/**
 * The fleet, once the keeper was heard: before that nobody can say what there is, and what there is not.
 */
import { MarkError } from '../../core/errors.ts'
import type { StatusDocument } from '../../core/view.ts'
import type { ApiDeps } from './deps.ts'

export function fleetOf(deps: Pick<ApiDeps, 'fleet'>): StatusDocument {
  const fleet = deps.fleet()
  if (fleet) return fleet
  throw new MarkError(
    'MARK_NOT_RUNNING',
    'The keeper was not heard yet.',
    'Try again in a second, or run `mark status`.',
  )
}
