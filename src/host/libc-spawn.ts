/**
 * Starting a program by posix_spawn: several times faster than a fork of a Node process, and a start that
 * fails says why at once. The child leads its own session, has the default signal handlers, an empty signal
 * mask, /dev/null and one log on descriptors 0, 1 and 2, and nothing else that is open here.
 */
import { constants } from 'node:fs'
import { errnoName, type Native } from './native.ts'

/** Where a run finds its lock: MARK_LOCK_FD. */
export const LOCK_FD = 3

export interface SpawnOrder {
  /** Absolute, or relative to this process's own directory. */
  readonly path: string
  readonly argv: readonly string[]
  /** `NAME=value` each. */
  readonly environment: readonly string[]
  readonly cwd: string
  /** Becomes stdout and stderr. */
  readonly logFd: number
  /** Becomes descriptor LOCK_FD; null: none. */
  readonly lockFd: number | null
  /**
   * A number that the child and all it ever starts carry, whatever they do to their names, sessions and
   * environments: their soft limit of bytes in POSIX message queues. null: none.
   */
  readonly tag: number | null
}

export type SpawnResult = { readonly pid: number } | { readonly errno: string }

export interface SpawnCalls {
  /** Never throws. The child belongs to the caller, who must `reap` it. */
  spawn(order: SpawnOrder): SpawnResult
  /** The largest tag this process may give away; 0: none. */
  readonly maxTag: number
}

/** Larger than posix_spawnattr_t (336 bytes) and posix_spawn_file_actions_t (80) of every C library. */
const OPAQUE_BYTES = 1024
const ACTIONS_KEPT = 256
const SIGSET_BYTES = 128
const SETSIGDEF = 4
const SETSIGMASK = 8
const SETSID = 0x80
const RLIMIT_MSGQUEUE = 12
const { O_RDONLY } = constants

export function spawnCalls(native: Native): SpawnCalls {
  const posixSpawn = native.call(
    'int posix_spawn(void *, const char *, void *, void *, const char **, const char **)',
  )
  const actions = actionCalls(native)
  const attributes = spawnAttributes(native)
  const limit = queueLimit(native)
  const pid = Buffer.alloc(4)
  return {
    maxTag: limit.max,
    spawn({ path, argv, environment, cwd, logFd, lockFd, tag }) {
      const prepared = actions.of(cwd, logFd, lockFd)
      if (typeof prepared === 'number') return { errno: errnoName(prepared) }
      if (tag !== null) limit.set(tag)
      try {
        const code = posixSpawn(pid, path, prepared, attributes, [...argv, null], [...environment, null])
        return code === 0 ? { pid: pid.readInt32LE(0) } : { errno: errnoName(code) }
      } finally {
        if (tag !== null) limit.restore()
      }
    },
  }
}

function spawnAttributes(native: Native): Buffer {
  const attributes = Buffer.alloc(OPAQUE_BYTES)
  native.call('int posix_spawnattr_init(void *)')(attributes)
  native.call('int posix_spawnattr_setsigmask(void *, void *)')(attributes, Buffer.alloc(SIGSET_BYTES))
  native.call('int posix_spawnattr_setsigdefault(void *, void *)')(
    attributes,
    Buffer.alloc(SIGSET_BYTES, 0xff),
  )
  native.call('int posix_spawnattr_setflags(void *, short)')(attributes, SETSIGDEF | SETSIGMASK | SETSID)
  return attributes
}

/** What the child does before it is the program: the same few for most starts, so they are kept. */
function actionCalls(native: Native): {
  of(cwd: string, logFd: number, lockFd: number | null): Buffer | number
} {
  const kept = new Map<string, Buffer>()
  const init = native.call('int posix_spawn_file_actions_init(void *)')
  const open = native.call('int posix_spawn_file_actions_addopen(void *, int, const char *, int, int)')
  const duplicate = native.call('int posix_spawn_file_actions_adddup2(void *, int, int)')
  const chdir = native.call('int posix_spawn_file_actions_addchdir_np(void *, const char *)')
  const destroy = native.call('int posix_spawn_file_actions_destroy(void *)')
  return {
    of(cwd, logFd, lockFd) {
      const key = `${logFd} ${lockFd} ${cwd}`
      const known = kept.get(key)
      if (known !== undefined) return known
      if (kept.size >= ACTIONS_KEPT) {
        for (const actions of kept.values()) destroy(actions)
        kept.clear()
      }
      const actions = Buffer.alloc(OPAQUE_BYTES)
      const failed =
        init(actions) ||
        open(actions, 0, '/dev/null', O_RDONLY, 0) ||
        duplicate(actions, logFd, 1) ||
        duplicate(actions, logFd, 2) ||
        (lockFd === null ? 0 : duplicate(actions, lockFd, LOCK_FD)) ||
        chdir(actions, cwd)
      if (failed !== 0) return failed
      kept.set(key, actions)
      return actions
    },
  }
}

function queueLimit(native: Native): { max: number; set(soft: number): void; restore(): void } {
  const get = native.call('int getrlimit(int, void *)')
  const set = native.call('int setrlimit(int, void *)')
  const own = Buffer.alloc(16)
  const tagged = Buffer.alloc(16)
  if (get(RLIMIT_MSGQUEUE, own) !== 0) return { max: 0, set() {}, restore() {} }
  const hard = own.readBigUInt64LE(8)
  const max = Number(hard < 2n ** 40n ? hard : 2n ** 40n)
  return {
    max,
    set(soft) {
      tagged.writeBigUInt64LE(BigInt(soft), 0)
      tagged.writeBigUInt64LE(hard, 8)
      set(RLIMIT_MSGQUEUE, tagged)
    },
    restore() {
      set(RLIMIT_MSGQUEUE, own)
    },
  }
}
