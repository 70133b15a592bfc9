// What the TypeScript modules of the paper fleet share: the same log, heartbeat, starts and deaths as their
// Python sisters (logbook.py and paper.py say why things are as they are), and the way to the exchange
// (wire.py).
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
// Where it is installed from npm this is 'mark-keeper/sdk'.
import { closing, heartbeat, onStop, type HeartbeatFacts } from '../../src/sdk/sdk.ts'

/** What comes over the wire; who takes it knows what it asked for. */
// biome-ignore lint/suspicious/noExplicitAny: the other side speaks another language
export type Message = Record<string, any>

const env = process.env
const host = env.PAPER_HOST ?? '127.0.0.1'
const moduleName = env.MARK_MODULE ?? path.basename(process.argv[1]!, '.ts')
const stateDir = env.MARK_STATE_DIR ?? path.join('.paper', moduleName)
const crashCodes = [1, 3, 7, 42, 130, 137, 200, 255]
fs.mkdirSync(stateDir, { recursive: true })

export const portOf = (name: string, fallback: number): number => Number(env[`${name}_PORT`] || fallback)

function tailOf(file: string): Buffer {
  const buffer = Buffer.alloc(65536)
  try {
    const fd = fs.openSync(file, 'r')
    for (;;) {
      const size = fs.fstatSync(fd).size
      const length = fs.readSync(fd, buffer, 0, buffer.length, Math.max(0, size - buffer.length))
      if (length > 0 || size === 0) return buffer.subarray(0, length)
    }
  } catch {
    return buffer.subarray(0, 0)
  }
}

// Where the line numbers stopped: read from the log itself if there is one, else from a note in the state.
const note = fs.openSync(path.join(stateDir, 'seq'), fs.constants.O_RDWR | fs.constants.O_CREAT)
const tail =
  env.MARK_LOG_DIR && env.MARK_MODULE ? tailOf(path.join(env.MARK_LOG_DIR, `${moduleName}.log`)) : Buffer.of()
const numbers = [
  ...tail.toString('latin1').matchAll(new RegExp(`^\\S+Z [A-Z]+ ${moduleName} seq=(\\d+) `, 'gm')),
]
let nextLine = Number(numbers.at(-1)?.[1] ?? fs.readFileSync(note, 'latin1')) + 1
let unwritten = tail.length > 0 && tail.at(-1) !== 10 ? Buffer.from('\n') : Buffer.of()

export function log(level: string, message: string): void {
  const text = `${new Date().toISOString()} ${level} ${moduleName} seq=${nextLine} ${message}\n`
  const line = Buffer.concat([unwritten, Buffer.from(text)])
  try {
    unwritten = line.subarray(fs.writeSync(1, line))
  } catch {
    return // a full disk must not stop us; the number stays free for the next line
  }
  fs.writeSync(note, String(nextLine).padStart(20, '0'), 0)
  nextLine += 1
}

function appendSynced(name: string, record: Message): void {
  const fd = fs.openSync(path.join(stateDir, name), 'a+')
  const size = fs.fstatSync(fd).size
  const last = Buffer.from('\n')
  if (size > 0) fs.readSync(fd, last, 0, 1, size - 1)
  fs.writeSync(fd, `${last[0] === 10 ? '' : '\n'}${JSON.stringify(record)}\n`)
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}

function die(code: number): never {
  appendSynced('deaths.jsonl', { run_id: env.MARK_RUN_ID ?? null, code, at: new Date().toISOString() })
  closing(code)
  process.exit(code)
}

function stop(): void {
  log('INFO', 'stopped as asked')
  process.exit(0)
}

/** Said every second: what it does in words for the log, and as facts for MARK. */
export function beat(message: string, facts: HeartbeatFacts): void {
  log('INFO', `heartbeat ${message}`)
  heartbeat(facts)
}

/** The first call of every module: its start is recorded, its end is prepared. */
export function begin(): void {
  onStop(stop)
  process.on('uncaughtException', error => {
    fs.writeSync(2, `${error.stack}\n`)
    die(1)
  })
  const fields = fs.readFileSync('/proc/self/stat', 'latin1').split(')').at(-1)!.trim().split(' ')
  const run = { run_id: env.MARK_RUN_ID ?? null, pid: process.pid, start: Number(fields[19]) }
  appendSynced('starts.jsonl', { ...run, started: new Date().toISOString() })
  log('INFO', `started pid=${process.pid} mode=${env.MODE ?? '-'}`)
  const mean = Number(env.PAPER_CRASH_EVERY || 0)
  const code = crashCodes[Math.floor(Math.random() * crashCodes.length)]!
  if (mean > 0) setTimeout(() => die(code), -Math.log(1 - Math.random()) * mean * 1000)
}

/** Calls `take` with each line that the other side says; the promise ends when it is gone or silent. */
function converse(
  port: number,
  question: Message,
  silenceMs: number,
  take: (message: Message) => void,
): Promise<void> {
  return new Promise(resolve => {
    const socket = net.connect({ port, host }, () => {
      if (socket.localPort === port)
        socket.destroy() // nobody listens, and the kernel connected us to ourselves
      else socket.end(`${JSON.stringify(question)}\n`)
    })
    let rest = ''
    socket.setEncoding('utf8').setTimeout(silenceMs, () => socket.destroy())
    socket.on('data', text => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) take(JSON.parse(line))
    })
    socket.on('error', () => {}).on('close', () => resolve())
  })
}

/** One question, one answer; null when there is none. */
export function ask(port: number, question: Message): Promise<Message | null> {
  return new Promise(resolve => {
    const take = (answer: Message): void => resolve('error' in answer ? null : answer)
    void converse(port, question, 2000, take).then(() => resolve(null))
  })
}
