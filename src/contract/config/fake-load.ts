/**
 * Loads a mark.yaml given as text at /srv/sipa, for tests: the plan, the one module, or the refusal.
 */
import type { ModuleSpec, Plan } from '../../core/plan.ts'
import { readCronLine } from '../jobs/cron-line.ts'
import { fakeFiles } from './fake-files.ts'
import { type LoadRequest, loadConfig } from './load.ts'
import { ConfigError, formatProblems, type Problem } from './problem.ts'

export const PROGRAMS = { '/bin/sh': '', '/bin/python3': '', '/bin/sleep': '' }
export const ENV = {
  PATH: '/bin',
  HOME: '/home/ann',
  SECRET_OF_CALLER: 'hush',
  HTTPS_PROXY: 'http://proxy',
  LC_TIME: 'C',
}

export function request(
  yaml: string,
  more: Partial<LoadRequest> & { extra?: Record<string, string> } = {},
): LoadRequest {
  const { extra = {}, ...rest } = more
  return {
    file: '/srv/sipa/mark.yaml',
    files: fakeFiles({ ...PROGRAMS, ...extra, '/srv/sipa/mark.yaml': yaml }),
    env: ENV,
    uid: 0,
    nowMs: Date.UTC(2026, 0),
    flags: {},
    previous: null,
    refreshEnv: false,
    linkArgv: ['/node', '/link/main.js'],
    readCronLine,
    ...rest,
  }
}

export function load(yaml: string, more: Parameters<typeof request>[1] = {}): Plan {
  return loadConfig(request(yaml, more)).plan
}

export function only(yaml: string, more: Parameters<typeof request>[1] = {}): ModuleSpec {
  const [spec, second] = load(yaml, more).modules
  if (!spec || second) throw new Error('not exactly one module')
  return spec
}

export function refusal(yaml: string, more: Parameters<typeof request>[1] = {}): ConfigError {
  try {
    loadConfig(request(yaml, more))
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('it was accepted')
}

export function problem(yaml: string, more: Parameters<typeof request>[1] = {}): Problem {
  const { problems } = refusal(yaml, more)
  if (problems.length !== 1) throw new Error(`not one problem:\n${formatProblems(problems, '/srv/sipa')}`)
  return problems[0] as Problem
}

/** A fleet of one module `vida`, with these further lines in it. */
export const vida = (keys: string): string =>
  `modules:\n  vida:\n    command: sleep 1\n${keys.replace(/^(?=.)/gm, '    ')}`
