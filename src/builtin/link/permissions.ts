/**
 * Who may publish and hear what (docs/link.md, Topics). What nobody granted is refused. Pure: the broker asks
 * with the name that a client has proven.
 */
import { covers, isFilter, isTopic, matches } from '../../contract/module-topic.ts'

export interface Grants {
  readonly publish: Readonly<Record<string, readonly string[]>>
  readonly subscribe: Readonly<Record<string, readonly string[]>>
}

const PRESENCE = 'mark/presence/#'

/** Levels that mean something to MARK: no filter that is as wide as `#` grants them. */
const RESERVED: ReadonlySet<string> = new Set(['request', 'reply', 'mark'])

export class Permissions {
  readonly #publish: ReadonlyMap<string, readonly string[]>
  readonly #subscribe: ReadonlyMap<string, readonly string[]>

  constructor(grants: Grants) {
    this.#publish = new Map(Object.entries(grants.publish))
    this.#subscribe = new Map(Object.entries(grants.subscribe))
  }

  /** The last level of a request or reply is its sender, or it is refused. */
  mayPublish(module: string, topic: string): boolean {
    if (!isTopic(topic) || topic.startsWith('$')) return false
    const levels = topic.split('/')
    const granted = this.#publish.get(module) ?? []
    switch (levels[0]) {
      case 'request': {
        const asked = levels.slice(0, -1).join('/')
        const wanted = granted.filter(filter => filter.startsWith('request/'))
        return levels.length === 4 && levels[3] === module && wanted.some(filter => matches(filter, asked))
      }
      case 'reply':
        return levels.length === 3 && levels[2] === module
      case 'mark':
        return false
      default:
        return granted.some(filter => matches(filter, topic))
    }
  }

  maySubscribe(module: string, filter: string): boolean {
    if (!isFilter(filter) || filter.startsWith('$')) return false
    if (this.#own(module).some(own => covers(own, filter))) return true
    return !isReserved(filter) && (this.#subscribe.get(module) ?? []).some(granted => covers(granted, filter))
  }

  /** A subscription may be wider than what its owner may hear: asked again for each message. */
  mayReceive(module: string, topic: string): boolean {
    return this.maySubscribe(module, topic)
  }

  /** Everybody whom the grants name, also as the one who is asked. */
  names(): Set<string> {
    const asked = [...this.#publish.values()].flat().filter(filter => filter.startsWith('request/'))
    const targets = asked.map(filter => filter.split('/')[1] ?? '').filter(name => !/^[+#]?$/.test(name))
    return new Set([...this.#publish.keys(), ...this.#subscribe.keys(), ...targets])
  }

  #own(module: string): readonly string[] {
    return [`request/${module}/#`, `reply/${module}/#`, PRESENCE]
  }
}

function isReserved(filter: string): boolean {
  return RESERVED.has(filter.split('/')[0] ?? '')
}
