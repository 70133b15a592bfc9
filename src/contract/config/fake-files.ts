/**
 * ConfigFiles in memory, for tests: a map of paths; what ends in `/` is a directory, a path in `bin` is a
 * program.
 */
import { dirname } from 'node:path'
import type { ConfigFiles } from './files.ts'

export interface FakeFiles extends ConfigFiles {
  readonly texts: Map<string, string>
  /** Paths that somebody else may write to. */
  readonly shared: Set<string>
}

/** Every directory above a file exists; files under a `bin/` and ending in `.sh` may be executed. */
export function fakeFiles(texts: Readonly<Record<string, string>>): FakeFiles {
  const all = new Map(Object.entries(texts))
  const shared = new Set<string>()
  const isDirectory = (path: string): boolean => {
    const prefix = path.endsWith('/') ? path : `${path}/`
    return [...all.keys()].some(file => file.startsWith(prefix))
  }
  return {
    texts: all,
    shared,
    read(path) {
      const text = all.get(path)
      if (text !== undefined) return text
      throw Object.assign(new Error(path), { code: isDirectory(path) ? 'EISDIR' : 'ENOENT' })
    },
    stat(path) {
      if (isDirectory(path)) return { isFile: false, isDirectory: true, mode: 0o40755, uid: 0 }
      if (!all.has(path)) return null
      const runs = dirname(path).endsWith('/bin') || path.endsWith('.sh')
      return { isFile: true, isDirectory: false, mode: runs ? 0o100755 : 0o100644, uid: 0 }
    },
    realpath: path => path,
    safe: path => (shared.has(path) ? `${path} can be written by everybody.` : null),
  }
}
