/**
 * What the host ran out of: file descriptors, memory, processes, disk. A shortage passes, so nobody may take
 * it for an answer: "could not look" never means "is not there". The keeper reports it and tries again.
 */
const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOBUFS'])

export class HostShortage extends Error {
  override readonly name = 'HostShortage'
  readonly code: string

  /** `call`: what was tried; `code`: the errno's name, such as EMFILE. */
  constructor(call: string, code: string) {
    super(`The host ran short (${code}) while MARK tried ${call}.`)
    this.code = code
  }
}

/** The errno name of a failed system call, or null. */
export function errnoOf(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : null
}

/** True for an error that says that the host is short of something, not that something is absent. */
export function isShortage(error: unknown): boolean {
  return error instanceof HostShortage || SHORTAGES.has(errnoOf(error) ?? '')
}

/** True for an error that says that a disk, a quota or its inodes are full. */
export function noRoom(error: unknown): boolean {
  return errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT'
}
