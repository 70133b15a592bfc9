/**
 * The real files behind a configuration: reads, never writes. Promises UTF-8 text of bounded size; never
 * follows a configuration into a device or a pipe.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync, statSync } from 'node:fs'
import type { ConfigFiles } from '../contract/config/files.ts'
import { checkSafe } from './owner.ts'

const READ_MAX_BYTES = 4 * 1024 * 1024

/** `uid`: who will run what these files say. */
export function configFiles(uid: number): ConfigFiles {
  return {
    read: readText,
    stat(path) {
      try {
        const stat = statSync(path)
        return { isFile: stat.isFile(), isDirectory: stat.isDirectory(), mode: stat.mode, uid: stat.uid }
      } catch {
        return null
      }
    },
    realpath(path) {
      try {
        return realpathSync(path)
      } catch {
        return path
      }
    },
    safe: path => checkSafe(path, { uid }),
  }
}

function readText(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(fd)
    if (stat.isDirectory()) throw refusal('EISDIR', 'a directory')
    if (!stat.isFile()) throw refusal('EINVAL', 'not a file')
    if (stat.size > READ_MAX_BYTES) throw refusal('EFBIG', 'too large')
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(fd))
  } catch (error) {
    if (error instanceof TypeError) throw refusal('EILSEQ', 'not UTF-8')
    throw error
  } finally {
    closeSync(fd)
  }
}

function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
