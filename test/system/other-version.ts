/**
 * Another version of MARK for a test: this checkout's sources under another number, in a directory of its
 * own, changed as the test likes. Runs its command line on a fleet.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BIN, cleanEnv, type Ended, type Fleet } from './fleet.ts'

const CHECKOUT = dirname(dirname(BIN))
const COMMAND_MS = 90_000

/** What stands for the file's own start in `OtherVersion.edit`. */
export type Edit = (text: string) => string

export class OtherVersion {
  readonly dir: string
  readonly version: string

  /** `dir`: where no version is yet. */
  constructor(dir: string, version: string) {
    this.dir = dir
    this.version = version
    mkdirSync(join(dir, 'node_modules'), { recursive: true, mode: 0o755 })
    for (const part of ['src', 'bin']) cpSync(join(CHECKOUT, part), join(dir, part), { recursive: true })
    const about = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as object
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ ...about, version }))
    // A directory of its own, so that nothing is cached in the checkout's.
    for (const name of readdirSync(join(CHECKOUT, 'node_modules'))) {
      if (!name.startsWith('.'))
        symlinkSync(join(CHECKOUT, 'node_modules', name), join(dir, 'node_modules', name))
    }
  }

  get bin(): string {
    return join(this.dir, 'bin', 'mark')
  }

  get keeperMain(): string {
    return join(this.dir, 'src', 'keeper', 'main.ts')
  }

  edit(path: string, change: Edit): void {
    const file = join(this.dir, path)
    const text = readFileSync(file, 'utf8')
    assert.notEqual(change(text), text, `${path} is as it was`)
    writeFileSync(file, change(text))
  }

  /** Lines that its keeper runs before all else. Imports in `imports`. */
  prelude(lines: string, imports = ''): void {
    this.edit('src/keeper/main.ts', text =>
      text.replace(/^const \{ values \} = /m, () => `${imports}\n${lines}\nconst { values } = `),
    )
  }

  mark(fleet: Fleet, ...words: readonly string[]): Promise<Ended> {
    const began = performance.now()
    const options = { cwd: fleet.dir, env: cleanEnv(), timeout: COMMAND_MS, killSignal: 'SIGKILL' } as const
    return new Promise(resolve => {
      execFile(this.bin, words, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
        resolve({ code, stdout, stderr, tookMs: performance.now() - began })
      })
    })
  }

  /** As `mark`, and it must end with `code`. */
  async expect(code: number, fleet: Fleet, ...words: readonly string[]): Promise<Ended> {
    const ended = await this.mark(fleet, ...words)
    const said = `mark ${words.join(' ')} of ${this.version}: ${ended.stdout}${ended.stderr}`
    assert.equal(ended.code, code, `${said}\n${fleet.read('.mark/keeper.log')}`)
    return ended
  }
}
