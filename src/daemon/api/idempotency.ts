/**
 * Answers to requests with an Idempotency-Key: the same request again gets the answer of the first, without a
 * second effect; also while the first is still under way. Bounded: the oldest keys are forgotten.
 */
import { createHash } from 'node:crypto'
import { problem, usage } from './problem.ts'

interface Kept {
  readonly request: string
  readonly answer: Promise<{ status: number; headers: [string, string][]; body: string }>
}

const KEPT_MAX = 1000
const KEY = /^[\x21-\x7e]{1,255}$/

export class Idempotency {
  readonly #kept = new Map<string, Kept>()

  /**
   * Runs `work` once per key. A key used for another request is refused with 422. Failures (5xx) are not
   * kept.
   */
  async once(key: string | undefined, request: string, work: () => Promise<Response>): Promise<Response> {
    if (key === undefined) return work()
    if (!KEY.test(key)) throw usage('An Idempotency-Key has 1 to 255 printable characters.')
    const digest = createHash('sha256').update(request).digest('hex')
    const known = this.#kept.get(key)
    if (known && known.request !== digest) {
      return problem(
        usage('This Idempotency-Key was used for another request.', 'Make a new one for each request.'),
        422,
      )
    }
    const kept = known ?? { request: digest, answer: work().then(freeze) }
    if (!known) this.#keep(key, kept)
    const { status, headers, body } = await kept.answer
    return new Response(body, {
      status,
      headers: known ? [...headers, ['idempotent-replay', 'true']] : headers,
    })
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.set(key, kept)
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string)
    kept.answer.then(
      answer => answer.status >= 500 && this.#kept.delete(key),
      () => this.#kept.delete(key),
    )
  }
}

async function freeze(
  response: Response,
): Promise<{ status: number; headers: [string, string][]; body: string }> {
  return { status: response.status, headers: [...response.headers], body: await response.text() }
}
