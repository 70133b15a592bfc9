/** `log:` of mark.yaml: how much of the output is kept, and where it is cut. */
import type { LogSpec } from '../../core/plan.ts'
import type { Path } from './located.ts'
import type { ProcessInput } from './schema-module.ts'
import { checkPattern, problemAt, type Scope } from './scope.ts'

const GIB = 1024 ** 3
const RING_TAIL_BYTES = 256 * 1024

export function logAt(scope: Scope, at: Path, input: ProcessInput['log']): LogSpec {
  const quotaBytes = input.quota ?? Math.max(GIB, 2 * input.max_size)
  if (input.rotate === 'ring' && input.max_size <= RING_TAIL_BYTES) {
    problemAt(
      scope,
      [...at, 'max_size'],
      'it must be more than 256K, which always stays in the file',
      'write 1M or more',
    )
  }
  if (quotaBytes < input.max_size) {
    problemAt(scope, [...at, 'quota'], 'the quota is less than max_size', 'make quota the larger one')
  }
  if (input.level_pattern !== undefined) checkPattern(scope, [...at, 'level_pattern'], input.level_pattern)
  return {
    maxSizeBytes: input.max_size,
    keep: input.keep,
    quotaBytes,
    reserveBytes: input.reserve,
    rotate: input.rotate,
    levelPattern: input.level_pattern ?? null,
  }
}
