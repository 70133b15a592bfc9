/**
 * Keys of a job that mean nothing beside what else it says: a promise that MARK could never keep is refused,
 * one that is merely idle is warned of.
 */
import type { Schedule } from '../../core/schedule.ts'
import { formatPath, isNull, keyPlaceAt, nodeAt, type Path } from './located.ts'
import { problemAtKey, type Scope } from './scope.ts'

/** They speak of instants that a clock decides. */
const OF_INSTANTS = ['deadline', 'missed', 'jitter'] as const

export function checkKeys(scope: Scope, at: Path, { kind }: Schedule): void {
  const isWritten = (...key: string[]): boolean => {
    const node = nodeAt(scope.tree, [...at, ...key])
    return node !== undefined && !isNull(node)
  }
  if (kind === 'after' || kind === 'none') {
    const runs = kind === 'after' ? 'after others' : 'by hand'
    for (const key of OF_INSTANTS) {
      if (!isWritten(key)) continue
      const message = `\`${key}\` belongs to a planned instant, and this job runs ${runs}`
      problemAtKey(scope, [...at, key], message, 'remove it, or add `schedule:`, `every:` or `at:`')
    }
  }
  if (kind !== 'after' && isWritten('join')) {
    const hint = 'remove it, or add `after:`'
    problemAtKey(
      scope,
      [...at, 'join'],
      '`join` says how the jobs of `after` combine, and there is none',
      hint,
    )
  }
  if (isWritten('limits', 'on_memory')) {
    const path = [...at, 'limits', 'on_memory']
    problemAtKey(scope, path, 'a job is neither restarted nor held', 'remove it: `retry` says what follows')
  }
  if (kind !== 'cron' && isWritten('dst')) {
    scope.report.warn({
      at: keyPlaceAt(scope.tree, [...at, 'dst']),
      path: formatPath([...at, 'dst']),
      message: '`dst` changes nothing: this job has no cron line',
      hint: 'remove it, or add `schedule:`',
    })
  }
}
