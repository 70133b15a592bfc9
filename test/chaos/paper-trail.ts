/**
 * What the modules themselves left on disk: starts, deaths, and log lines that must be there once, in order
 * and whole. Reads only.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Death } from './verdict.ts'

export interface LogTrail {
  readonly lines: number
  /** Half lines that a kill cut at a page boundary of the file, where the kernel may stop a write. */
  readonly torn: number
  readonly problems: string[]
}

const PAGE = 4096

export function deathsOf(stateDir: string, modules: readonly string[]): Death[] {
  return modules.flatMap(
    name => jsonLines(join(stateDir, 'state', name, 'deaths.jsonl')) as unknown as Death[],
  )
}

export function startsOf(stateDir: string, modules: readonly string[]): Set<string> {
  const starts = modules.flatMap(name => jsonLines(join(stateDir, 'state', name, 'starts.jsonl')))
  return new Set(starts.map(start => String(start.run_id)))
}

/** A last line without its end was never synced: the module was killed in the middle of it. */
function jsonLines(path: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = []
  for (const line of bytesOf(path).toString('utf8').split('\n')) {
    try {
      if (line !== '') found.push(JSON.parse(line) as Record<string, unknown>)
    } catch {
      // torn by a kill
    }
  }
  return found
}

/** Every line of one module over all its runs and log files: `seq=1, 2, 3, ...`. */
export function logTrailOf(stateDir: string, module: string): LogTrail {
  const text = logFiles(stateDir, module).map(bytesOf)
  const bytes = Buffer.concat(text)
  const whole = new RegExp(`^\\S+Z [A-Z]+ ${module} seq=(\\d+) `)
  const problems: string[] = []
  let next = 1
  let torn = 0
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(10, at)
    const end = newline < 0 ? bytes.length : newline
    const line = bytes.toString('latin1', at, end)
    const match = whole.exec(line)
    const isOurs = /^\d{4}-\d\d-\d\dT/.test(line)
    if (match) {
      const seq = Number(match[1])
      if (seq !== next) problems.push(`${module}: line seq=${seq} where seq=${next} was due`)
      next = seq + 1
    }
    const isTorn = (isOurs && !match) || newline < 0
    if (isTorn && end % PAGE === 0) torn++
    else if (isTorn) problems.push(`${module}: a torn line at byte ${at}: ${line.slice(0, 80)}`)
    at = end + 1
  }
  return { lines: next - 1, torn, problems }
}

/** Archives, named after their logical start, then the live file. */
function logFiles(stateDir: string, module: string): string[] {
  const logs = join(stateDir, 'logs')
  let archives: string[] = []
  try {
    archives = readdirSync(join(logs, module)).filter(name => name.endsWith('.log'))
  } catch {
    // none was made
  }
  return [...archives.sort().map(name => join(logs, module, name)), join(logs, `${module}.log`)]
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}
