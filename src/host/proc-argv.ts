/**
 * The words that a process was started with, as /proc shows them. A process may rewrite them: they confirm
 * what is known of it, and never prove it alone.
 */
import { readFileSync } from 'node:fs'

/** null when it is gone, ended or not ours to read. */
export function argvOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return text === '' ? null : text.replace(/\0$/, '').split('\0')
  } catch {
    return null
  }
}
