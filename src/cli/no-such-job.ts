/**
 * A word that is the name of no job, with the nearest one that is.
 */
import { MarkError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { visible } from './visible.ts'

export function noSuchJob(name: string, names: readonly string[]): MarkError {
  const near = nearest(name, names)
  const known = names.length === 0 ? 'mark.yaml declares no job.' : `jobs here: ${names.join(', ')}.`
  const hint = near === null ? known : `did you mean \`${near}\`?`
  return new MarkError('MARK_NO_SUCH_JOB', `There is no job \`${visible(name)}\`.`, hint)
}
