/**
 * Directories on other file systems, for suites that must hold on each: loop images that are made, mounted
 * and removed again. What this host cannot make is skipped with the reason. Touches nothing it did not make.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Kind = 'ext4' | 'xfs' | 'btrfs' | 'tmpfs'

export interface Mounted {
  readonly dir: string
  unmount(): void
}

const MAKE: Readonly<Record<Kind, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-m', '0'],
  xfs: ['mkfs.xfs', '-q', '-f'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
  tmpfs: [],
}
const PLACES = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** Why this host cannot mount one; false when it can. */
export function whyNot(kind: Kind): string | false {
  if (process.getuid?.() !== 0) return `${kind} needs root to be mounted`
  const tool = MAKE[kind][0]
  if (tool === undefined || PLACES.some(dir => isThere(join(dir, tool)))) return false
  return `${tool} is not installed here`
}

/** Throws when it cannot be made after all. */
export function mount(kind: Kind, sizeMb: number): Mounted {
  const root = mkdtempSync(join(tmpdir(), `mark-${kind}-`))
  const dir = join(root, 'mnt')
  const image = join(root, 'image')
  mkdirSync(dir)
  if (kind === 'tmpfs') run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'mark-test', dir])
  else {
    writeFileSync(image, '')
    truncateSync(image, sizeMb * 1024 * 1024)
    const [tool, ...options] = MAKE[kind] as readonly [string, ...string[]]
    run(tool, [...options, image])
    run('mount', ['-o', 'loop', image, dir])
  }
  return {
    dir,
    unmount() {
      run('umount', ['-l', dir])
      rmSync(image, { force: true })
      if (readdirSync(dir).length === 0) rmSync(root, { recursive: true })
    },
  }
}

function run(command: string, args: readonly string[]): void {
  const env = { ...process.env, PATH: PLACES.join(':') }
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
