/**
 * `params:` of a job reach its run as variables of their own names: none may hide what MARK sets, nor another
 * variable of the job. Values are kept in the plan and shown, so a secret is none.
 */
import { WORD_NAMES } from './environment.ts'
import type { Path } from './located.ts'
import { looksSecret } from './problem.ts'
import { isOfMark, warnLiteral } from './resolve-environment.ts'
import type { JobInput } from './schema-job.ts'
import { problemAtKey, type Scope } from './scope.ts'

const WORDS = WORD_NAMES.map(word => word.toUpperCase())

export function checkParams(scope: Scope, at: Path, input: JobInput): void {
  for (const [name, value] of Object.entries(input.params)) {
    const path = [...at, 'params', name]
    if (isOfMark(name) || WORDS.includes(name)) {
      problemAtKey(scope, path, `\`${name}\` is set by MARK`, 'choose another name')
    } else if (Object.hasOwn(input.environment, name)) {
      const hint = 'keep one: a param is a variable of the run already'
      problemAtKey(scope, path, `\`${name}\` stands under \`environment\` too`, hint)
    } else if (input.secrets.includes(name)) {
      problemAtKey(scope, path, `\`${name}\` is a secret of this job too`, 'choose another name')
    } else if (looksSecret(name) && value !== '') warnLiteral(scope, path)
  }
}
