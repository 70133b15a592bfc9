/**
 * The module `link`: MARK's own broker, started by the keeper as any other module. Its settings, its key and
 * its place come from the environment, read here and nowhere else. Ready once its unix socket listens.
 */
import { LINK_SETTINGS, type LinkSettings } from '../../core/link-spec.ts'
import { loadLibc } from '../../host/libc.ts'
import { readOrMakeKey } from '../../host/link-access.ts'
import { ownVersion } from '../../host/own-program.ts'
import { Broker } from './broker.ts'
import { listenUnix, Port } from './listeners.ts'
import { MarkVoice } from './mark-voice.ts'

const SETTLE_MS = 1000
const ALIVE_EVERY_MS = 1000
const END_MS = 800

const { env } = process
let trouble: string | null = null
const settings = JSON.parse(variable(LINK_SETTINGS)) as LinkSettings
const path = variable('MARK_LINK_URL').replace(/^unix:/, '')
const libc = loadLibc()
const voice = new MarkVoice(variable('MARK_SOCKET'), {
  type: 'hello',
  v: 1,
  run_id: env.MARK_RUN_ID ?? '',
  pid: process.pid,
  sdk: `mark/${ownVersion()}`,
})
const broker = await Broker.open({
  grants: settings,
  key: readOrMakeKey(variable('MARK_LINK_KEY')),
  settleMs: SETTLE_MS,
  tell: (kind, data) => voice.say({ type: 'event', kind, data }),
  trouble: error => log(error.message),
  wallMs: Date.now,
})
const server = await listenUnix(path, socket => broker.take(socket))
const port =
  settings.listen === null ? null : new Port(settings.listen, socket => broker.take(socket), troubled)
log(`listens on ${path}${settings.listen === null ? '' : ` and ${settings.listen}`}`)
voice.stand({ type: 'ready' })
notify('READY=1')
setInterval(() => notify('WATCHDOG=1'), ALIVE_EVERY_MS)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end())

function troubled(reason: string | null): void {
  if (reason === trouble) return
  trouble = reason
  log(reason ?? `listens on ${settings.listen} again`)
  voice.stand({ type: 'degraded', reason })
}

async function end(): Promise<void> {
  setTimeout(() => process.exit(0), END_MS)
  notify('STOPPING=1')
  port?.close()
  server.close()
  await broker.close()
  process.exit(0)
}

/** To the keeper itself: it must hear this also while MARK's daemon is away. */
function notify(text: string): void {
  if (env.NOTIFY_SOCKET) libc?.send(env.NOTIFY_SOCKET, text)
}

function variable(name: string): string {
  const value = env[name]
  if (value !== undefined && value !== '') return value
  log(`${name} is not set: MARK starts this program, and nobody else`)
  process.exit(78)
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`)
}
