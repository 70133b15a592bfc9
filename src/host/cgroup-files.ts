/**
 * The few file operations that control groups consist of. Each does one call and throws what the kernel said;
 * `fake-cgroup2.ts` keeps the kernel's rules in memory for tests.
 */
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from 'node:fs'

export interface CgroupFiles {
  /** Contents of a file. */
  read(path: string): string
  /** One write(2); never makes the file. */
  write(path: string, text: string): void
  makeDir(path: string): void
  removeDir(path: string): void
  /** Names of the directories in a directory. */
  dirs(path: string): string[]
  exists(path: string): boolean
  writable(path: string): boolean
}

export const cgroupFiles: CgroupFiles = {
  read: path => readFileSync(path, 'utf8'),
  write(path, text) {
    const fd = openSync(path, constants.O_WRONLY)
    try {
      writeSync(fd, text)
    } finally {
      closeSync(fd)
    }
  },
  makeDir: path => mkdirSync(path, 0o755),
  removeDir: path => rmdirSync(path),
  dirs: path =>
    readdirSync(path, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(entry => entry.name),
  exists: path => may(path, constants.F_OK),
  writable: path => may(path, constants.W_OK),
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
