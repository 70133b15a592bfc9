/**
 * What a module said on its NOTIFY_SOCKET, turned into events of its child. The latest STATUS is shown, and
 * noted at most once a second.
 */
import { parseNotify } from '../contract/notify.ts'
import type { Engine } from './engine.ts'

const STATUS_EVERY_MS = 1000

export class Notices {
  readonly #engine: Engine
  readonly #statusAt = new Map<string, number>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  heard(slot: string, message: string): void {
    const runId = this.#engine.slots.get(slot)
    const name = runId === undefined ? null : this.#engine.childOfRun(runId)
    if (name === null) return
    for (const notice of parseNotify(message)) this.#take(name, notice)
  }

  #take(name: string, notice: ReturnType<typeof parseNotify>[number]): void {
    const engine = this.#engine
    const child = engine.children.get(name)
    if (!child) return
    const { ready } = child.spec
    switch (notice.kind) {
      case 'ready':
        if (ready.kind === 'notify' || ready.kind === 'delay')
          engine.feed(name, { kind: 'ready', by: 'notify' })
        return
      case 'watchdog':
        return engine.feed(name, { kind: 'pinged' })
      case 'trigger':
        return engine.feed(name, {
          kind: 'health',
          health: 'unhealthy',
          reason: 'it triggered its own watchdog',
        })
      case 'extend':
        return engine.feed(name, { kind: 'extend', ms: notice.ms })
      case 'status':
        return this.#status(name, notice.text)
      case 'stopping':
        return this.#status(name, 'it says that it is stopping')
      case 'errno':
        return this.#status(name, `it reports error number ${notice.number}`)
    }
  }

  #status(name: string, text: string): void {
    const child = this.#engine.children.get(name)
    const live = child?.phase === 'starting' || child?.phase === 'ready'
    if (!child || !live || child.reason === text) return
    this.#engine.put(name, { ...child, reason: text })
    const nowMs = this.#engine.world.now().monoMs
    if (nowMs - (this.#statusAt.get(name) ?? Number.NEGATIVE_INFINITY) >= STATUS_EVERY_MS) {
      this.#statusAt.set(name, nowMs)
      this.#engine.note('status', child.spec.name, child.run?.id ?? null, { text })
    }
    this.#engine.turn()
  }
}
