/**
 * What systemd wants to hear of a Type=notify service: that it is ready, that it lives, that another
 * version takes its place, that it stops. Does nothing where systemd did not start us.
 */
import type { Libc } from './libc.ts'

export class SystemdNotifier {
  readonly #libc: Libc | null
  readonly #socket: string | undefined
  readonly #watchdogMs: number
  #timer: NodeJS.Timeout | null = null

  constructor(libc: Libc | null, env: { readonly NOTIFY_SOCKET?: string; readonly WATCHDOG_USEC?: string }) {
    this.#libc = libc
    this.#socket = env.NOTIFY_SOCKET
    this.#watchdogMs = Number(env.WATCHDOG_USEC ?? 0) / 1000
  }

  /** From now on the watchdog hears of us, by this process's own event loop. */
  ready(status: string): void {
    this.#say(`READY=1\nSTATUS=${status}`)
    if (this.#socket === undefined || this.#watchdogMs <= 0 || this.#timer !== null) return
    this.#timer = setInterval(() => this.#say('WATCHDOG=1'), this.#watchdogMs / 3).unref()
  }

  /** Until `ready` is said again, by this process under whatever program; the watchdog waits anew. */
  reloading(status: string): void {
    const nowUs = process.hrtime.bigint() / 1000n
    this.#say(`RELOADING=1\nMONOTONIC_USEC=${nowUs}\nSTATUS=${status}\nWATCHDOG=1`)
  }

  stopping(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#say('STOPPING=1')
  }

  #say(message: string): void {
    if (this.#socket !== undefined) this.#libc?.send(this.#socket, message)
  }
}
