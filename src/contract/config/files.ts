/**
 * The file system as configuration sees it: read-only, and an argument, so that tests and other tools can
 * hand in their own. The real one is src/host/config-files.ts.
 */
export interface FileStat {
  readonly isFile: boolean
  readonly isDirectory: boolean
  readonly mode: number
  readonly uid: number
}

export interface ConfigFiles {
  /**
   * Text of a file. Throws an Error with `.code` (ENOENT, EACCES, EISDIR, EFBIG, EILSEQ for text that is
   * not UTF-8).
   */
  read(path: string): string
  /** Follows links; null if there is nothing or it cannot be reached. */
  stat(path: string): FileStat | null
  /** The path without links, or the path itself if there is nothing. */
  realpath(path: string): string
  /** A sentence if somebody else could change this file, else null. */
  safe(path: string): string | null
}

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'cannot be read: permission denied',
  EISDIR: 'is a directory',
  EFBIG: 'is too large',
  EILSEQ: 'is not UTF-8 text',
}

/** The text, or why there is none, as the rest of a sentence that begins with the path. */
export function readText(files: ConfigFiles, path: string): { text: string } | { code: string; why: string } {
  try {
    return { text: files.read(path) }
  } catch (error) {
    const code = (error as { code?: string }).code ?? 'EIO'
    return { code, why: SENTENCES[code] ?? `cannot be read (${code})` }
  }
}
