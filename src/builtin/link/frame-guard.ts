/**
 * Watches the bytes of one MQTT connection and says when a frame is larger than allowed, before anybody has
 * to hold it. Pure but for its own position; knows nothing else of MQTT.
 */
const LENGTH_BYTES_MAX = 4

export class FrameGuard {
  readonly #maxBytes: number
  #skip = 0
  /** Of the length that is being read; -1: the next byte begins a frame. */
  #lengthBytes = -1
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether the connection may go on. */
  take(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#skip -= step
        at += step
      } else if (!this.#header(chunk[at++] as number)) return false
    }
    return true
  }

  #header(byte: number): boolean {
    if (this.#lengthBytes < 0) {
      this.#lengthBytes = 0
      this.#length = 0
      return true
    }
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes++
    if (this.#length > this.#maxBytes || (byte >= 0x80 && this.#lengthBytes === LENGTH_BYTES_MAX))
      return false
    if (byte >= 0x80) return true
    this.#skip = this.#length
    this.#lengthBytes = -1
    return true
  }
}
