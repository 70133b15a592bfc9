/**
 * Random bytes for ids, drawn from the kernel a few hundred at a time: one call to it costs as much as making
 * an id. No byte is handed out twice.
 */
import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 640

export class Chances {
  readonly #pool = Buffer.alloc(POOL_BYTES)
  #at = POOL_BYTES

  /** `count`: at most 640. Valid until the next call. */
  take(count: number): Buffer {
    if (this.#at + count > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#at = 0
    }
    const bytes = this.#pool.subarray(this.#at, this.#at + count)
    this.#at += count
    return bytes
  }
}
