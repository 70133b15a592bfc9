/**
 * How commands are taken: each POST once for its Idempotency-Key, its errors as problem details.
 */
import type { Context, Hono } from 'hono'
import { MarkError } from '../../core/errors.ts'
import type { ApiDeps } from './deps.ts'
import { Idempotency } from './idempotency.ts'
import { problem } from './problem.ts'
import { textField, textOf } from './requests.ts'

export type Post = (path: string, work: (context: Context) => Promise<Response>) => void

/** Who asked, in the journal, if nobody says: the file's permission is the credential. */
export const BY = 'api'

export function postsOf(app: Hono, deps: Pick<ApiDeps, 'failed'>): Post {
  const idempotency = new Idempotency()
  return (path, work) => {
    app.post(path, async context => {
      const request = `${context.req.path}\n${await textOf(context)}`
      return await idempotency.once(context.req.header('idempotency-key'), request, async () => {
        try {
          return await work(context)
        } catch (error) {
          if (!(error instanceof MarkError)) deps.failed(error)
          return problem(error)
        }
      })
    })
  }
}

export function whoOf(body: Readonly<Record<string, unknown>>): string {
  return textField(body.by, 'by', 64) ?? BY
}
