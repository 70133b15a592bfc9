/**
 * How a module gets at the link (docs/link.md): where the broker is, and the password that key and name make.
 * The key is made at need and is nobody else's to read; a key that is there and is none is refused, never
 * replaced. The plan holds neither.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { linkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { LINK } from '../core/link-spec.ts'
import type { Plan } from '../core/plan.ts'
import { readRegularFile } from './atomic-file.ts'
import { errnoOf } from './shortage.ts'
import type { StateDir } from './state-dir.ts'

type Places = Pick<StateDir, 'linkKey' | 'socketDir'>

const KEY_BYTES = 32

/**
 * Nothing where there is no `link:`. MARK's own broker is told where its key lies; of a broker elsewhere the
 * password is the user's to give.
 */
export function linkVariables(plan: Plan, module: string, state: Places): Record<string, string> {
  if (plan.link == null) return {}
  const { broker, listen } = plan.link
  const variables = { MARK_LINK_URL: broker ?? `unix:${linkSocket(state)}`, MARK_LINK_USERNAME: module }
  if (broker !== null) return variables
  if (module === LINK) return { MARK_LINK_URL: variables.MARK_LINK_URL, MARK_LINK_KEY: state.linkKey }
  return {
    ...variables,
    MARK_LINK_PASSWORD: passwordOf(readOrMakeKey(state.linkKey), module),
    ...(listen === null ? {} : { MARK_LINK_TCP: listen }),
  }
}

export function linkSocket(state: Pick<StateDir, 'socketDir'>): string {
  return join(state.socketDir, 'link.sock')
}

export function passwordOf(key: Buffer, username: string): string {
  return createHmac('sha256', key).update(username).digest('base64url')
}

/** Two who make it at once agree. Throws MARK_ENVIRONMENT where what lies there is no key. */
export function readOrMakeKey(path: string): Buffer {
  const known = readKey(path)
  if (known) return known
  const fresh = `${path}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(fresh, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx', flush: true })
    linkSync(fresh, path)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  } finally {
    rmSync(fresh, { force: true })
  }
  return readKey(path) ?? readOrMakeKey(path)
}

/** null: there is none. */
export function readKey(path: string): Buffer | null {
  const key = readRegularFile(path)
  if (key === null || key.length === KEY_BYTES) return key
  const hint = 'delete it and restart the fleet: all passwords of the link change.'
  throw new MarkError('MARK_ENVIRONMENT', `${path} is no key of ${KEY_BYTES} bytes.`, hint)
}
