/**
 * NOTIFY_SOCKET of each slot: a unix datagram socket that the keeper always drains, so that no sender ever
 * waits. Who may speak is settled by the directory (the module's user alone enters it); file descriptors sent
 * along are closed at once, which answers BARRIER.
 */
import { join } from 'node:path'
import type { ModuleSpec } from '../core/plan.ts'
import type { Libc } from './libc.ts'
import { lchownSync } from 'node:fs'
import { makeSlotDir } from './run-files.ts'

/** Datagrams taken in one turn: a flood by one module must not keep the others waiting. */
const DATAGRAMS_PER_TURN = 64

export class NotifySockets {
  readonly #libc: Libc | null
  readonly #dir: string
  readonly #open = new Map<string, string>()
  readonly #heard: (slot: string, message: string) => void

  constructor(libc: Libc | null, socketDir: string, heard: (slot: string, message: string) => void) {
    this.#libc = libc
    this.#dir = socketDir
    this.#heard = heard
  }

  /** Opens the slot's socket unless it is open; its path, or null without libc. */
  open(slot: string, spec: ModuleSpec): string | null {
    const known = this.#open.get(slot)
    if (known !== undefined || !this.#libc) return known ?? null
    const libc = this.#libc
    const path = join(this.#dir, 'm', slot, 'notify.sock')
    const user = makeSlotDir(path, spec)
    const fd = libc.bindDatagram(path, 0o600)
    if (user) lchownSync(path, user.uid, user.gid)
    libc.watch(fd, () => this.#drain(libc, fd, slot))
    this.#open.set(slot, path)
    return path
  }

  #drain(libc: Libc, fd: number, slot: string): void {
    for (let count = 0; count < DATAGRAMS_PER_TURN; count++) {
      const datagram = libc.receive(fd)
      if (datagram === null) return
      this.#heard(slot, datagram.toString('utf8'))
    }
  }
}
