/**
 * How logs can be kept within bounds on a file system, found out on a scratch file: cut at the front, given
 * back as holes, or only renamed at the next run. Leaves nothing behind.
 */
import { constants, statfsSync } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileCalls } from './libc-files.ts'

export type RotationWay = 'collapse' | 'punch' | 'rename' | 'probing'

const BLOCKS = 3
const UNIT_BYTES = 64 * 1024

/** Throws what the file system says when the scratch file cannot be written. */
export async function ringOf(logs: string, calls: FileCalls): Promise<Exclude<RotationWay, 'probing'>> {
  await mkdir(logs, { recursive: true, mode: 0o750 })
  const path = join(logs, '.ring-probe')
  const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const file = await open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  try {
    const unit = Math.max(UNIT_BYTES, statfsSync(logs).bsize)
    await file.truncate(BLOCKS * unit)
    await file.write(Buffer.from('x'), 0, 1, BLOCKS * unit - 1)
    if ((await calls.collapseFront(file.fd, unit)) === 'done') {
      return (await file.stat()).size === (BLOCKS - 1) * unit ? 'collapse' : 'rename'
    }
    return (await calls.punchHole(file.fd, 0, unit)) === 'done' ? 'punch' : 'rename'
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}
