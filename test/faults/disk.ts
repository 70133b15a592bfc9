/**
 * A small disk under a fleet's state or logs, for faults of the disk: filled to the last byte or to a few
 * short of it, out of inodes, read-only. Made before the fleet is up, gone with it.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Kind, type Mounted, mount } from '../contracts/file-systems.ts'

const PLACES = '/usr/sbin:/sbin:/usr/bin:/bin'

export class Disk {
  readonly dir: string
  readonly #mounted: Mounted
  readonly #at: string
  #inodes = 0

  /** Mounted at `at`, which is made. */
  constructor(kind: Kind, sizeMb: number, at: string) {
    this.#mounted = mount(kind, sizeMb)
    this.dir = this.#mounted.dir
    this.#at = at
    mkdirSync(at, { recursive: true })
    run('mount', ['--bind', this.dir, at])
    rmSync(join(this.dir, 'lost+found'), { recursive: true, force: true })
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.dir)
    return bavail * bsize
  }

  /** Takes all room but about `leaveBytes`, as another program would. */
  fill(leaveBytes = 0): void {
    const fd = openSync(join(this.dir, 'ballast'), 'a', 0o600)
    for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) {
          if (leaveBytes > 0 && this.freeBytes - size < leaveBytes) break
          writeSync(fd, Buffer.alloc(size, 1))
        }
      } catch {
        // Not that much at once: half of it.
      }
    }
    closeSync(fd)
  }

  /** Takes every inode. */
  takeInodes(): void {
    closeSync(openSync(join(this.dir, 'ballast'), 'a', 0o600))
    mkdirSync(join(this.dir, 'inodes'), { recursive: true })
    try {
      for (;;) closeSync(openSync(join(this.dir, 'inodes', String(this.#inodes++)), 'w'))
    } catch {
      // All gone.
    }
  }

  free(): void {
    rmSync(join(this.dir, 'ballast'), { force: true })
    rmSync(join(this.dir, 'inodes'), { recursive: true, force: true })
  }

  /** As an error of the disk: read-only for everybody, for good, however many files are open. ext4 only. */
  fail(): void {
    run('mount', ['-o', 'remount,abort', this.dir])
  }

  /** For this mount alone; nothing may be open for writing. */
  readOnly(is: boolean): void {
    run('mount', ['-o', `remount,bind,${is ? 'ro' : 'rw'}`, this.#at])
  }

  /** Whoever still uses it keeps it until they end. */
  unmount(): void {
    run('umount', ['-l', this.#at])
    this.#mounted.unmount()
  }
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: PLACES } })
}
