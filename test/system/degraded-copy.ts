/**
 * A copy of MARK that lacks something this host has, for one test file: without koffi, or with a koffi that
 * answers as an older kernel would. Nothing in the product knows of it.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'

const ROOT = dirname(dirname(import.meta.dirname))

/** Linux 5.14: no PIDFD_GET_INFO (6.15), no pidfd_send_signal to a group (6.9). */
const OLD_KERNEL = `
const real = require(${JSON.stringify(join(ROOT, 'node_modules', 'koffi'))})
const EINVAL = 22, ENOTTY = 25, SYS_PIDFD_SEND_SIGNAL = 424
const refuse = errno => (real.errno(errno), -1)
const wrap = (prototype, call) => {
  if (prototype.includes(' ioctl(')) return () => refuse(ENOTTY)
  if (!prototype.includes(' syscall(')) return call
  return (...args) =>
    args[0] === SYS_PIDFD_SEND_SIGNAL && args[4] !== 0 ? refuse(EINVAL) : call(...args)
}
module.exports = {
  ...real,
  load: path => {
    const library = real.load(path)
    return { func: prototype => wrap(prototype, library.func(prototype)) }
  },
}
`

/** Path of the copy's bin/mark. Removed when the test file ends. */
export function copyWithout(what: 'koffi' | 'new kernel'): string {
  const dir = mkdtempSync(join(tmpdir(), 'mark-copy-'))
  after(() => rmSync(dir, { recursive: true, force: true }))
  for (const name of ['src', 'bin', 'package.json'])
    cpSync(join(ROOT, name), join(dir, name), { recursive: true })
  const modules = join(dir, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!name.startsWith('.') && name !== 'koffi')
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  if (what === 'new kernel') {
    mkdirSync(join(modules, 'koffi'))
    writeFileSync(join(modules, 'koffi', 'package.json'), '{ "name": "koffi", "main": "index.js" }')
    writeFileSync(join(modules, 'koffi', 'index.js'), OLD_KERNEL)
  }
  return join(dir, 'bin', 'mark')
}
