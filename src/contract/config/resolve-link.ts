/**
 * `link:` to what the plan knows of it, and to the module that is its broker. What names a module that is not
 * there, or what MARK itself grants, is a problem at its place.
 */
import { LINK, linkSpec, type LinkSettings } from '../../core/link-spec.ts'
import type { LinkPlan, ModuleSpec } from '../../core/plan.ts'
import { isRequestName } from '../module-topic.ts'
import { nodeAt } from './located.ts'
import { didYouMean } from './problem.ts'
import type { FleetInput } from './schema.ts'
import { problemAt, problemAtKey, type Scope } from './scope.ts'

type LinkInput = NonNullable<FleetInput['link']>

/** What one string of an environment may hold is limited by the kernel to 128 KiB. */
const SETTINGS_MAX_BYTES = 100_000

export interface ResolvedLink {
  readonly plan: LinkPlan | null
  /** null: there is none, or it is elsewhere. */
  readonly spec: ModuleSpec | null
}

export function resolveLink(
  scope: Scope,
  input: LinkInput | undefined,
  root: string,
  argv: readonly string[],
): ResolvedLink {
  if (input === undefined) return { plan: null, spec: null }
  const { publish, subscribe, listen = null, broker = null } = input
  for (const [section, grants] of Object.entries({ publish, subscribe })) {
    for (const [module, filters] of Object.entries(grants)) {
      checkModule(scope, ['link', section, module], module)
      for (const [at, filter] of filters.entries()) {
        const why = section === 'publish' ? publishFault(scope, filter) : subscribeFault(filter)
        if (why !== null) problemAt(scope, ['link', section, module, at], why[0], why[1])
      }
    }
  }
  const plan = { broker, listen: broker === null ? listen : null }
  if (broker === null) return { plan, spec: ownBroker(scope, { publish, subscribe, listen }, root, argv) }
  if (listen !== null) {
    const message = '`listen` is for the broker of MARK, and `broker` names another'
    problemAt(scope, ['link', 'listen'], message, 'keep one of them')
  }
  return { plan, spec: null }
}

function ownBroker(scope: Scope, settings: LinkSettings, root: string, argv: readonly string[]): ModuleSpec {
  for (const section of ['modules', 'jobs']) {
    if (nodeAt(scope.tree, [section, LINK]) === undefined) continue
    const message = '`link` is the name of the module that `link:` adds'
    problemAtKey(scope, [section, LINK], message, 'choose another name')
  }
  if (settings.listen !== null && !isPort(settings.listen))
    problemAt(scope, ['link', 'listen'], 'there is no such port', 'a port is 1 to 65535')
  if (Buffer.byteLength(JSON.stringify(settings)) > SETTINGS_MAX_BYTES)
    problemAtKey(scope, ['link'], 'it says more than 100 KB', 'use fewer and wider filters')
  return linkSpec(argv, root, settings)
}

/** A job speaks while it runs, under its own name; nobody can ask it. */
function checkModule(scope: Scope, path: readonly string[], module: string): void {
  if (scope.moduleNames.includes(module) || nodeAt(scope.tree, ['jobs', module]) !== undefined) return
  problemAtKey(scope, path, `there is no module \`${module}\``, didYouMean(module, scope.moduleNames))
}

type Fault = readonly [message: string, hint: string | null] | null

function publishFault(scope: Scope, filter: string): Fault {
  const [first, to = '', name, ...more] = filter.split('/')
  if (first === 'reply' || first === 'mark' || first?.startsWith('$'))
    return [`nobody is granted \`${first}/\``, 'who is asked may reply without a grant']
  if (first !== 'request') return null
  const isKnown = to === '+' || (to === '#' && name === undefined) || scope.moduleNames.includes(to)
  if (!isKnown) return [`there is no module \`${to}\` to ask`, didYouMean(to, scope.moduleNames)]
  const isName = to === '#' || name === '+' || name === '#' || (name !== undefined && isRequestName(name))
  if (isName && more.length === 0) return null
  return ['a request is granted as `request/<to>/<name>`', 'its sender is added and checked by MARK']
}

function subscribeFault(filter: string): Fault {
  const first = filter.split('/')[0] ?? ''
  if (!['request', 'reply', 'mark'].includes(first) && !first.startsWith('$')) return null
  return [
    `nobody is granted \`${first}/\``,
    'a module hears what is sent to it, and presence, without a grant',
  ]
}

function isPort(address: string): boolean {
  const port = Number(address.slice(address.lastIndexOf(':') + 1))
  return port >= 1 && port <= 65_535
}
