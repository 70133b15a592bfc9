/**
 * fallocate in the three ways the log ring needs: room ahead of a file's end, a cut at its front, a hole.
 * Cuts run outside the event loop's thread: they may wait for the disk. 'unsupported' is this file system's
 * answer, never an accident; 'full' means that the disk is.
 */
import { constants } from 'node:os'
import { errnoName, failure, type Native } from './native.ts'

export type FileCut = 'done' | 'unsupported' | 'full'

export interface FileCalls {
  /** Allocates [offset, offset + length) without changing the file's size. */
  allocateAhead(fd: number, offset: number, length: number): FileCut
  /**
   * Removes the first `length` bytes, a multiple of the file system's block size, and moves all others to the
   * front.
   */
  collapseFront(fd: number, length: number): Promise<FileCut>
  /** Gives back the room of [offset, offset + length); it then reads as zeros. */
  punchHole(fd: number, offset: number, length: number): Promise<FileCut>
}

const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const COLLAPSE_RANGE = 8
const FALLOCATE = 'int fallocate(int, int, int64_t, int64_t)'
const { errno } = constants
/** EINVAL and EPERM: a file or file system for which this mode is not meant. */
const REFUSALS: ReadonlySet<number> = new Set([errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM])

export function fileCalls(native: Native): FileCalls {
  const now = native.call(FALLOCATE)
  const later = native.later(FALLOCATE)
  const cut = async (what: string, ...args: [number, number, number, number]): Promise<FileCut> => {
    for (;;) {
      const [result, code] = await later(...args)
      if (result === 0) return 'done'
      if (code !== errno.EINTR) return answer(what, code)
    }
  }
  return {
    allocateAhead(fd, offset, length) {
      return now(fd, KEEP_SIZE, offset, length) === 0 ? 'done' : answer('fallocate', native.errno())
    },
    collapseFront: (fd, length) => cut('fallocate (collapse)', fd, COLLAPSE_RANGE, 0, length),
    punchHole: (fd, offset, length) => cut('fallocate (punch)', fd, PUNCH_HOLE | KEEP_SIZE, offset, length),
  }
}

function answer(what: string, code: number): FileCut {
  if (REFUSALS.has(code)) return 'unsupported'
  if (code === errno.ENOSPC || errnoName(code) === 'EDQUOT') return 'full'
  throw failure(what, code)
}
